/**
 * Files that may change while the program runs: the GeoIP database and certificates. Read at start, on request, and
 * when one of them has changed, which is looked at each minute. What can't be read stays as it was.
 *
 * @module
 */

import { messageOf, ProxyError } from "../errors.ts";
import { COUNTER } from "../observe/counters.ts";
import type { Log, LogFields } from "../observe/log.ts";
import type { GeoipSlot } from "../proxy/messages.ts";
import type { Change } from "../state/change.ts";
import type { Configuration } from "../state/model.ts";
import { CertificateFiles } from "./certificate_files.ts";
import type { CertificateFault } from "./certificate_reading.ts";
import { type CertificateSet, NO_CERTIFICATES } from "./certificate_set.ts";
import { ExpiryWarnings } from "./expiry_warnings.ts";
import type { GeoipFile } from "./geoip_file.ts";
import type { ServedState } from "./served_state.ts";

/** Between two looks whether a file has changed. */
const FILE_CHECK_MS = 60_000;

/** What reloading works with. */
export interface ReloadOptions {
  /** The GeoIP file, not read yet. */
  readonly geoip: GeoipFile;
  /** Gets what was reloaded, what failed, and what expires. */
  readonly log: Log;
  /** Adds one to a counter of main's. */
  readonly count: (counter: number) => void;
  /** What all workers serve; absent before the start. Changes in turns only. */
  readonly served: () => ServedState | undefined;
  /** Does work while nobody else changes what the workers serve. */
  readonly inTurn: (work: () => Promise<void>) => Promise<void>;
  /** Brings all workers to a state with the same configuration. @throws when one can't, or none may change now */
  readonly change: (next: ServedState) => Promise<void>;
}

/** What the files hold at start. */
export interface LoadedFiles {
  /** Absent = none is configured. */
  readonly geoip?: GeoipSlot;
  /** Of all enabled L7 routes. */
  readonly certificates: CertificateSet;
}

/** What can be read again, as the log and the counter call it. */
type What = "geoip" | "certificate";

/** Something that stays as it was, and why. */
interface Failure extends LogFields {
  readonly what: What;
  readonly detail: string;
}

/** One kind of file, as it was read again last. */
export interface ReloadOutcome {
  /** Which. */
  readonly what: string;
  /** Unix ms. */
  readonly timeMs: number;
  /** Why it failed; absent = it worked. */
  readonly problem?: string;
}

/** Reads the files, and again. */
export class Reload implements Disposable {
  readonly #outcomes = new Map<What, ReloadOutcome>();
  readonly #options: ReloadOptions;
  readonly #certificates = new CertificateFiles();
  readonly #expiry: ExpiryWarnings;
  /** A reading that waits for its turn. */
  #waiting: Promise<void> | undefined;
  #fileCheck: ReturnType<typeof setInterval> | undefined;

  /** Reads nothing yet. */
  constructor(options: ReloadOptions) {
    this.#options = options;
    this.#expiry = new ExpiryWarnings(options.log);
  }

  /**
   * Reads all files for the first time. A route without usable certificate is said so, and the others are served.
   *
   * @throws ProxyError unavailable when the GeoIP database can't be used
   */
  async load(configuration: Configuration): Promise<LoadedFiles> {
    const { geoip, log } = this.#options;
    const slot = await geoip.load();
    const { set, faults } = await this.#certificates.read(configuration, NO_CERTIFICATES, Date.now());
    for (const { listener, route, detail } of faults) {
      log.error("certificate_unusable", { listener, route, detail });
    }
    this.#expiry.tell(configuration, set, Date.now());
    return { certificates: set, ...(slot !== undefined && { geoip: slot }) };
  }

  /** From now on reads again when a file has changed, until disposal. */
  watch(): void {
    this.#fileCheck = setInterval(() => void this.look(), FILE_CHECK_MS);
  }

  /** Stops watching; a reload that is at work goes on. */
  [Symbol.dispose](): void {
    clearInterval(this.#fileCheck);
  }

  /** Reads again when a file has changed, and warns of certificates whose end has come near meanwhile. */
  async look(): Promise<void> {
    const served = this.#options.served();
    if (served === undefined) return;
    this.#expiry.tell(served.configuration, served.certificates, Date.now());
    const areCertificatesChanged = await this.#certificates.hasChanged(served.configuration);
    if (areCertificatesChanged || await this.#options.geoip.hasChanged()) await this.reload();
  }

  /**
   * A state to come with what the files of its new and changed routes hold; the files of the others are left alone.
   *
   * @throws ProxyError unavailable when one of them is of no use
   */
  async withFiles(next: ServedState, changes: readonly Change[]): Promise<ServedState> {
    const changed = new Set(
      changes.flatMap((change) => change.kind === "route_put" ? [change.route.id] : []),
    );
    const { configuration, certificates: before } = next;
    const { set, faults } = await this.#certificates.read(configuration, before, Date.now(), changed);
    const fault = faults.find(({ routeId }) => changed.has(routeId));
    if (fault === undefined) return { ...next, certificates: set };
    throw new ProxyError("unavailable", `route "${fault.route}" on ${fault.listener}: ${fault.detail}`);
  }

  /** What came of the last reading of each kind of file that was read again. */
  get outcomes(): readonly ReloadOutcome[] {
    return [...this.#outcomes.values()];
  }

  /**
   * Reads all files again; wishes that come before a reading has begun are one. One that is at work doesn't count: it may
   * have read what was there before. Never throws: the log says it.
   */
  async reload(): Promise<void> {
    this.#waiting ??= this.#options.inTurn(async () => {
      await Promise.resolve();
      this.#waiting = undefined;
      await this.#reload();
    });
    await this.#waiting;
  }

  async #reload(): Promise<void> {
    const { served, change, log } = this.#options;
    const before = served();
    if (before === undefined) return;
    const failures: Failure[] = [];
    const geoip = await this.#readGeoip(before, failures);
    const certificates = await this.#readCertificates(before, failures);
    const done: What[] = [];
    if (geoip !== undefined) done.push("geoip");
    if (certificates !== before.certificates) done.push("certificate");
    const options = { ...before.options, ...(geoip !== undefined && { geoip }) };
    const generation = before.generation + 1;
    try {
      if (done.length > 0) await change({ ...before, generation, certificates, options });
    } catch (error) {
      failures.push(...done.splice(0).map((what) => ({ what, detail: messageOf(error) })));
    }
    for (const what of done) this.#outcomes.set(what, { what, timeMs: Date.now() });
    for (const { what, detail } of failures) {
      this.#outcomes.set(what, { what, timeMs: Date.now(), problem: detail });
    }
    // What was mended by putting back what is served already has changed nothing, and is well again all the same.
    for (const [what, { problem }] of this.#outcomes) {
      const isRead = !failures.some((failure) => failure.what === what);
      if (problem !== undefined && isRead) this.#outcomes.set(what, { what, timeMs: Date.now() });
    }
    for (const failure of failures) this.#tellFailure(failure);
    for (const what of done) log.info("reloaded", { what, generation });
    if (done.length + failures.length === 0) {
      log.info("reloaded", { what: "nothing", detail: "no file has changed" });
    }
    this.#expiry.tell(before.configuration, served()?.certificates ?? certificates, Date.now());
  }

  async #readGeoip({ options }: ServedState, failures: Failure[]): Promise<GeoipSlot | undefined> {
    try {
      return await this.#options.geoip.load(options.geoip);
    } catch (error) {
      failures.push({ what: "geoip", detail: messageOf(error) });
      return undefined;
    }
  }

  async #readCertificates(before: ServedState, failures: Failure[]): Promise<CertificateSet> {
    const { configuration, certificates } = before;
    const { set, faults } = await this.#certificates.read(configuration, certificates, Date.now());
    failures.push(...faults.map(certificateFailure));
    return set;
  }

  #tellFailure(failure: Failure): void {
    const { count, log } = this.#options;
    count(failure.what === "geoip" ? COUNTER.geoipReloadFailures : COUNTER.certificateReloadFailures);
    log.error("reload_failed", failure);
  }
}

function certificateFailure({ listener, route, detail }: CertificateFault): Failure {
  return { what: "certificate", listener, route, detail };
}
