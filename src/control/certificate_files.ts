/**
 * The certificate files of L7 routes as the main process holds them: read, checked, and made ready for the workers,
 * which can't open a file.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import { coversHostname, isValidAt, parseAuthorities, parseCertificatePair } from "../net/certificates.ts";
import type { Validity } from "../net/certificates.ts";
import type { RoutePems } from "../proxy/messages.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Configuration, L7Options, Route } from "../state/model.ts";

/** Largest PEM file: some times what the CAs of a whole system take. */
const FILE_BYTES_MAX = 1 << 20;

/** Where systems keep the bundle of the CAs that they trust: Debian, Fedora, SUSE, Alpine. */
const SYSTEM_AUTHORITIES: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** What one L7 route's files hold. */
export interface RouteCertificate {
  /** As workers are told. */
  readonly pems: RoutePems;
  /** The leaf's dates; absent = the route has no usable certificate. */
  readonly validity?: Validity;
}

/** What the files of all enabled L7 routes hold. Immutable; keys stay in memory and are never logged or stored. */
export interface CertificateSet {
  /** PEM texts by digest: those that `routes` name, and no others. */
  readonly texts: ReadonlyMap<string, string>;
  /** By route id. */
  readonly routes: ReadonlyMap<number, RouteCertificate>;
}

/** The set without any. */
export const NO_CERTIFICATES: CertificateSet = { texts: new Map(), routes: new Map() };

/** A route one of whose files is of no use. */
export interface CertificateFault {
  /** The route's id. */
  readonly routeId: number;
  /** The listener's address. */
  readonly listener: string;
  /** The route's hostname. */
  readonly route: string;
  /** What is wrong with which file; nothing of a key. */
  readonly detail: string;
}

/** What came of reading. */
export interface CertificateReading {
  /** The set before itself when nothing has changed. */
  readonly set: CertificateSet;
  /** Routes that go on with what they had before, or have nothing. */
  readonly faults: readonly CertificateFault[];
}

/** Reads the files and remembers what they were. */
export class CertificateFiles {
  #stamps = new Map<string, string>();

  /**
   * Reads the files of every enabled L7 route. A route whose new files are of no use keeps what it has in `previous`.
   *
   * @param previous what is served now
   */
  async read(
    configuration: Configuration,
    previous: CertificateSet,
    nowMs: number,
  ): Promise<CertificateReading> {
    const reading = new Reading(previous, nowMs);
    for (const path of pathsOf(configuration)) {
      // Before the reading: a file that changes meanwhile is read again later.
      this.#stamps.set(path, await stampOf(path));
      await reading.readFile(path);
    }
    for (const listener of configuration.listeners) {
      for (const route of listener.routes) {
        if (isServed(route)) await reading.addRoute(route, formatEndpoint(listener.address));
      }
    }
    return reading.end();
  }

  /**
   * Whether one of the files that this configuration names is another one than when it was read last, with or without
   * success; gone and come back count, too.
   */
  async hasChanged(configuration: Configuration): Promise<boolean> {
    const before = this.#stamps;
    this.#stamps = new Map();
    let hasChanged = false;
    for (const path of pathsOf(configuration)) {
      const stamp = before.get(path);
      if (stamp === undefined || stamp !== await stampOf(path)) hasChanged = true;
      if (stamp !== undefined) this.#stamps.set(path, stamp);
    }
    return hasChanged;
  }
}

/** An L7 route that is enabled. */
type ServedRoute = Route & { readonly l7: L7Options };

function isServed(route: Route): route is ServedRoute {
  return route.enabled && route.l7 !== undefined;
}

function pathsOf({ listeners }: Configuration): ReadonlySet<string> {
  const paths = listeners.flatMap(({ routes }) => routes.filter(isServed)).flatMap(({ l7 }) => [
    l7.tlsCert,
    l7.tlsKey,
    ...!l7.backendTls ? [] : l7.backendCa === "" ? SYSTEM_AUTHORITIES : [l7.backendCa],
  ]);
  return new Set(paths);
}

async function stampOf(path: string): Promise<string> {
  try {
    const { size, mtime, ino } = await Deno.stat(path);
    return `${ino} ${size} ${mtime?.getTime()}`;
  } catch {
    return "none";
  }
}

/** One reading of all files. */
class Reading {
  readonly #previous: CertificateSet;
  readonly #nowMs: number;
  readonly #files = new Map<string, string | ProxyError>();
  readonly #texts = new Map<string, string>();
  readonly #routes = new Map<number, RouteCertificate>();
  readonly #faults: CertificateFault[] = [];

  constructor(previous: CertificateSet, nowMs: number) {
    this.#previous = previous;
    this.#nowMs = nowMs;
  }

  async readFile(path: string): Promise<void> {
    this.#files.set(path, await readPem(path));
  }

  async addRoute(route: ServedRoute, listener: string): Promise<void> {
    const before = this.#previous.routes.get(route.id);
    const attempt = async <Part>(read: () => Promise<Part>, otherwise: Part): Promise<Part> => {
      try {
        return await read();
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        this.#faults.push({ routeId: route.id, listener, route: route.hostname, detail });
        return otherwise;
      }
    };
    const pair = await attempt(() => this.#pair(route, before?.validity), before && pairOf(before));
    const authorities = await attempt(() => this.#authorities(route.l7), before?.pems.authorities);
    const { validity, ...digests } = pair ?? {};
    const pems = { routeId: route.id, ...digests, ...(authorities !== undefined && { authorities }) };
    for (const digest of [pems.chain, pems.key, pems.authorities]) this.#keep(digest);
    const isSame = before !== undefined && isSamePems(before.pems, pems);
    this.#routes.set(route.id, isSame ? before : { pems, ...(validity !== undefined && { validity }) });
  }

  /** Sees to it that a text of the set before is in this one, too. */
  #keep(digest: string | undefined): void {
    const text = digest === undefined ? undefined : this.#previous.texts.get(digest);
    if (digest !== undefined && text !== undefined) this.#texts.set(digest, text);
  }

  async #pair({ l7, hostname }: ServedRoute, before: Validity | undefined): Promise<Pair> {
    const [chainText, keyText] = [this.#textOf(l7.tlsCert), this.#textOf(l7.tlsKey)];
    const pair = about([l7.tlsCert, l7.tlsKey], () => parseCertificatePair(chainText, keyText));
    if (!coversHostname(pair.names, hostname)) {
      const names = pair.names.map((name) => `"${name}"`).join(", ") || "no DNS name";
      throw new ProxyError("unavailable", `"${l7.tlsCert}" is for ${names}, not for "${hostname}"`);
    }
    const { validity } = pair;
    if (before !== undefined && isValidAt(before, this.#nowMs) && !isValidAt(validity, this.#nowMs)) {
      throw new ProxyError("unavailable", `"${l7.tlsCert}" is not valid today, and the one before is`);
    }
    return { chain: await this.#add(pair.chain), key: await this.#add(pair.key), validity };
  }

  async #authorities({ backendTls, backendCa }: L7Options): Promise<string | undefined> {
    if (!backendTls) return undefined;
    const path = backendCa ||
      SYSTEM_AUTHORITIES.find((candidate) => typeof this.#files.get(candidate) === "string");
    if (path === undefined) {
      const detail = `the system has no bundle of CAs at ${SYSTEM_AUTHORITIES.join(", ")}: set backend_ca`;
      throw new ProxyError("unavailable", detail);
    }
    const text = this.#textOf(path);
    return await this.#add(about([path], () => parseAuthorities(text)).join(""));
  }

  #textOf(path: string): string {
    const text = this.#files.get(path);
    if (typeof text === "string") return text;
    throw text ?? new ProxyError("internal", `"${path}" was not read`);
  }

  async #add(text: string): Promise<string> {
    const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    const digest = new Uint8Array(bytes).toBase64({ alphabet: "base64url", omitPadding: true });
    this.#texts.set(digest, text);
    return digest;
  }

  end(): CertificateReading {
    const { routes } = this.#previous;
    const isSame = routes.size === this.#routes.size &&
      [...this.#routes].every(([id, certificate]) => routes.get(id) === certificate);
    const set = isSame ? this.#previous : { texts: this.#texts, routes: this.#routes };
    return { set, faults: this.#faults };
  }
}

/** A usable certificate: digests of its texts, and its dates. */
interface Pair {
  readonly chain: string;
  readonly key: string;
  readonly validity: Validity;
}

function pairOf({ pems: { chain, key }, validity }: RouteCertificate): Pair | undefined {
  return chain === undefined || key === undefined || validity === undefined
    ? undefined
    : { chain, key, validity };
}

function isSamePems(left: RoutePems, right: RoutePems): boolean {
  return left.chain === right.chain && left.key === right.key && left.authorities === right.authorities;
}

/** Adds the files' names to what is wrong with them. */
function about<Result>(paths: readonly string[], action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    const names = paths.map((path) => `"${path}"`).join(" and ");
    throw new ProxyError(error.code, `${names}: ${error.message}`, { cause: error });
  }
}

/** A file's text, or why it can't be read. */
async function readPem(path: string): Promise<string | ProxyError> {
  try {
    const { size, isFile } = await Deno.stat(path);
    if (!isFile) throw new TypeError("not a regular file");
    if (size > FILE_BYTES_MAX) throw new RangeError(`larger than ${FILE_BYTES_MAX} bytes`);
    return await Deno.readTextFile(path);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return new ProxyError("unavailable", `cannot read "${path}": ${detail}`, { cause: error });
  }
}
