/**
 * The admin API's own certificate files while it runs: read again on request and when one of them has changed, which is
 * looked at each minute. What can't be read stays as it was.
 *
 * @module
 */

import { dateEvent, dateFields } from "../control/expiry_warnings.ts";
import { stampOf } from "../control/file_stamp.ts";
import { Turns } from "../control/turns.ts";
import { messageOf } from "../errors.ts";
import { dateProblem, daysUntilExpiry, type Validity } from "../net/certificates.ts";
import type { Log } from "../observe/log.ts";
import type { ReloadOutcome } from "./control_plane.ts";

/** Between two looks whether a file has changed. */
const FILE_CHECK_MS = 60_000;
/** How log and status call these files. */
const WHAT = "grpc";

/** What they are read for. */
export interface OwnCertificatesOptions {
  /** The files; empty = there are none, and nothing is ever read. */
  readonly paths: readonly string[];
  /** Reads them. @throws when one is of no use; nothing changes then */
  readonly read: () => Promise<void>;
  /** When the certificate that clients see is valid; absent = there is none. */
  readonly validity: () => Validity | undefined;
  /** Called for each reading that fails. */
  readonly onFailed: () => void;
  /** Gets what was read again, what failed, and what expires. */
  readonly log: Log;
  /** Unix ms. */
  readonly now: () => number;
}

/** Reads the files again. */
export class OwnCertificates implements Disposable {
  readonly #options: OwnCertificatesOptions;
  #stamps = "";
  #told = "";
  #outcome: ReloadOutcome | undefined;
  readonly #turns = new Turns();
  #fileCheck: ReturnType<typeof setInterval> | undefined;

  /** They were not read yet. */
  constructor(options: OwnCertificatesOptions) {
    this.#options = options;
  }

  /** Notes what the files are now, which must be before they are read for the first time. */
  async note(): Promise<void> {
    this.#stamps = await this.#stampsOfAll();
  }

  /** From now on looks each minute, until disposal. */
  watch(): void {
    if (this.#options.paths.length === 0) return;
    this.#tellDates();
    this.#fileCheck = setInterval(() => void this.look(), FILE_CHECK_MS);
  }

  /** Stops looking. */
  [Symbol.dispose](): void {
    clearInterval(this.#fileCheck);
  }

  /** What came of the last reading; empty before the first one that isn't the start's. */
  get outcomes(): readonly ReloadOutcome[] {
    return this.#outcome === undefined ? [] : [this.#outcome];
  }

  /** What is wrong with the dates of the certificate that clients see; absent = nothing. */
  get dateProblem(): string | undefined {
    const validity = this.#options.validity();
    const problem = validity && dateProblem(validity, this.#options.now());
    return problem && `the certificate of [grpc] ${problem}`;
  }

  /** Reads again when a file has changed, and warns of a certificate whose end has come near. Never throws. */
  async look(): Promise<void> {
    if (await this.#stampsOfAll() !== this.#stamps) await this.reload();
    this.#tellDates();
  }

  /** Reads again, after every reading asked for before. Never throws: log and outcome say what failed. */
  async reload(): Promise<void> {
    // Side by side, an older reading that ends last would put back a CA that has been taken away.
    if (this.#options.paths.length > 0) await this.#turns.run(() => this.#reload());
  }

  async #reload(): Promise<void> {
    const { read, onFailed, log, now } = this.#options;
    // Before the reading: a file that changes meanwhile is read again later.
    const stamps = await this.#stampsOfAll();
    const hasChanged = stamps !== this.#stamps;
    this.#stamps = stamps;
    try {
      await read();
      this.#outcome = { what: WHAT, timeMs: now() };
      if (hasChanged) log.info("reloaded", { what: WHAT });
    } catch (error) {
      const detail = messageOf(error);
      this.#outcome = { what: WHAT, timeMs: now(), problem: detail };
      onFailed();
      log.error("reload_failed", { what: WHAT, detail });
    }
  }

  async #stampsOfAll(): Promise<string> {
    return (await Promise.all(this.#options.paths.map(stampOf))).join("\n");
  }

  /** Once a day. */
  #tellDates(): void {
    const validity = this.#options.validity();
    const nowMs = this.#options.now();
    const event = validity && dateEvent(validity, nowMs);
    const told = validity === undefined || event === undefined
      ? ""
      : `${event} ${daysUntilExpiry(validity, nowMs)}`;
    if (validity !== undefined && event !== undefined && told !== this.#told) {
      this.#options.log.warning(event, { what: WHAT, ...dateFields(validity) });
    }
    this.#told = told;
  }
}
