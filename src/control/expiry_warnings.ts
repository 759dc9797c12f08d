/**
 * Warnings of certificates that are not valid, or won't be for long. They are served all the same: an expired
 * certificate that some clients still take is better than none.
 *
 * @module
 */

import { daysUntilExpiry, isValidAt, type Validity } from "../net/certificates.ts";
import type { Log } from "../observe/log.ts";
import type { Configuration } from "../state/model.ts";
import type { CertificateSet } from "./certificate_set.ts";

/** A certificate with fewer whole days left is warned of. */
export const EXPIRY_WARNING_DAYS = 14;

/** Says of each route once a day what is wrong with its certificate's dates. */
export class ExpiryWarnings {
  readonly #log: Pick<Log, "warning">;
  /** By route id: what was said last. */
  #told: ReadonlyMap<number, string> = new Map();

  /** Nothing is said yet. */
  constructor(log: Pick<Log, "warning">) {
    this.#log = log;
  }

  /** Looks at every certificate, and logs what hasn't been said yet. */
  tell({ listeners }: Configuration, { routes }: CertificateSet, nowMs: number): void {
    const told = new Map<number, string>();
    for (const { id, hostname } of listeners.flatMap((listener) => listener.routes)) {
      const validity = routes.get(id)?.shown?.validity;
      const event = validity && dateEvent(validity, nowMs);
      if (validity === undefined || event === undefined) continue;
      const text = `${event} ${daysUntilExpiry(validity, nowMs)}`;
      told.set(id, text);
      if (this.#told.get(id) === text) continue;
      this.#log.warning(event, { route: hostname, ...dateFields(validity) });
    }
    this.#told = told;
  }
}

/** The log's name for what is wrong with the dates; `undefined` when nothing is. */
export function dateEvent(validity: Validity, nowMs: number): string | undefined {
  if (nowMs > validity.notAfterMs) return "certificate_expired";
  if (!isValidAt(validity, nowMs)) return "certificate_not_yet_valid";
  return daysUntilExpiry(validity, nowMs) < EXPIRY_WARNING_DAYS ? "certificate_expires" : undefined;
}

/** The dates as the log writes them. */
export function dateFields(validity: Validity): { not_before: string; not_after: string } {
  return {
    not_before: new Date(validity.notBeforeMs).toISOString(),
    not_after: new Date(validity.notAfterMs).toISOString(),
  };
}
