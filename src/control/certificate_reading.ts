/**
 * One reading of all certificate files: from paths to what workers are told, with every fault on the way.
 *
 * @module
 */

import { messageOf, ProxyError } from "../errors.ts";
import { coversHostname, isValidAt, parseAuthorities, parseCertificatePair } from "../net/certificates.ts";
import type { RoutePems } from "../proxy/messages.ts";
import type { L7Options, Route } from "../state/model.ts";
import type { CertificateSet, RouteCertificate, ShownCertificate } from "./certificate_set.ts";

/** Largest PEM file: some times what the CAs of a whole system take. */
const FILE_BYTES_MAX = 1 << 20;

/** Where systems keep the bundle of the CAs that they trust: Debian, Fedora, SUSE, Alpine. */
export const SYSTEM_AUTHORITIES: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

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
export interface ReadCertificates {
  /** The set before itself when nothing has changed. */
  readonly set: CertificateSet;
  /** Routes that go on with what they had before, or have nothing. */
  readonly faults: readonly CertificateFault[];
}

/** An L7 route that is enabled. */
export type ServedRoute = Route & { readonly l7: L7Options };

/** Whether a route's files are needed. */
export function isServed(route: Route): route is ServedRoute {
  return route.enabled && route.l7 !== undefined;
}

/** One reading of all files: first the files, then the routes, then the end. */
export class CertificateReading {
  readonly #previous: CertificateSet;
  readonly #nowMs: number;
  readonly #files = new Map<string, string | ProxyError>();
  /** By both paths. Many routes may share one certificate. */
  readonly #pairs = new Map<string, Promise<Pair>>();
  readonly #authoritiesByPath = new Map<string, Promise<string>>();
  /** By digest: all that was read, and what of it routes name. */
  readonly #read = new Map<string, string>();
  readonly #texts = new Map<string, string>();
  readonly #routes = new Map<number, RouteCertificate>();
  readonly #faults: CertificateFault[] = [];

  /** Nothing is read yet. @param previous what is served now */
  constructor(previous: CertificateSet, nowMs: number) {
    this.#previous = previous;
    this.#nowMs = nowMs;
  }

  /** Reads a file; that it can't be read is the fault of the routes that name it. */
  async readFile(path: string): Promise<void> {
    this.#files.set(path, await readPem(path));
  }

  /** Makes of the files what a route needs, or keeps what it has. */
  async addRoute(route: ServedRoute, listener: string): Promise<void> {
    const before = this.#previous.routes.get(route.id);
    const attempt = async <Part>(read: () => Promise<Part>, otherwise: Part): Promise<Part> => {
      try {
        return await read();
      } catch (error) {
        const detail = messageOf(error);
        this.#faults.push({ routeId: route.id, listener, route: route.hostname, detail });
        return otherwise;
      }
    };
    const pair = await attempt(() => this.#pair(route, before?.shown), before && pairOf(before));
    const authorities = await attempt(() => this.#authorities(route.l7), before?.pems.authorities);
    const { shown, ...digests } = pair ?? {};
    const pems = { routeId: route.id, ...digests, ...(authorities !== undefined && { authorities }) };
    for (const digest of digestsOf(pems)) this.#use(digest);
    const isSame = before !== undefined && isSamePems(before.pems, pems);
    this.#routes.set(route.id, isSame ? before : { pems, ...(shown !== undefined && { shown }) });
  }

  /** Leaves a route with what it has; nothing of it is read. @returns whether it has anything */
  keepRoute(routeId: number): boolean {
    const before = this.#previous.routes.get(routeId);
    if (before === undefined) return false;
    for (const digest of digestsOf(before.pems)) this.#use(digest);
    this.#routes.set(routeId, before);
    return true;
  }

  /** A text that a route names becomes part of the set; it was read now, or is that of the set before. */
  #use(digest: string): void {
    const text = this.#read.get(digest) ?? this.#previous.texts.get(digest);
    if (text === undefined) throw new ProxyError("internal", "a PEM text has gone");
    this.#texts.set(digest, text);
  }

  async #pair({ l7, hostname }: ServedRoute, before: ShownCertificate | undefined): Promise<Pair> {
    const paths = [l7.tlsCert, l7.tlsKey];
    const pair = await once(this.#pairs, paths.join("\0"), () => this.#readPair(l7));
    const { names, validity } = pair.shown;
    if (!coversHostname(names, hostname)) {
      const all = names.map((name) => `"${name}"`).join(", ") || "no DNS name";
      throw new ProxyError("unavailable", `"${l7.tlsCert}" is for ${all}, not for "${hostname}"`);
    }
    const wasValid = before !== undefined && isValidAt(before.validity, this.#nowMs);
    if (wasValid && !isValidAt(validity, this.#nowMs)) {
      throw new ProxyError("unavailable", `"${l7.tlsCert}" is not valid today, and the one before is`);
    }
    return pair;
  }

  async #readPair({ tlsCert, tlsKey }: L7Options): Promise<Pair> {
    const [chainText, keyText] = [this.#textOf(tlsCert), this.#textOf(tlsKey)];
    const { chain, key, names, validity } = about(
      [tlsCert, tlsKey],
      () => parseCertificatePair(chainText, keyText),
    );
    return { chain: await this.#add(chain), key: await this.#add(key), shown: { names, validity } };
  }

  async #authorities({ backendTls, backendCa }: L7Options): Promise<string | undefined> {
    if (!backendTls) return undefined;
    const path = backendCa || this.#systemAuthorities();
    return await once(this.#authoritiesByPath, path, () => {
      const text = this.#textOf(path);
      return this.#add(about([path], () => parseAuthorities(text)).join(""));
    });
  }

  #systemAuthorities(): string {
    const path = SYSTEM_AUTHORITIES.find((candidate) => typeof this.#files.get(candidate) === "string");
    if (path !== undefined) return path;
    const detail = `the system has no bundle of CAs at ${SYSTEM_AUTHORITIES.join(", ")}: set backend_ca`;
    throw new ProxyError("unavailable", detail);
  }

  #textOf(path: string): string {
    const text = this.#files.get(path);
    if (typeof text === "string") return text;
    throw text ?? new ProxyError("internal", `"${path}" was not read`);
  }

  async #add(text: string): Promise<string> {
    const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    const digest = new Uint8Array(bytes).toBase64({ alphabet: "base64url", omitPadding: true });
    this.#read.set(digest, text);
    return digest;
  }

  /** What came of it. */
  end(): ReadCertificates {
    const { routes } = this.#previous;
    const isSame = routes.size === this.#routes.size &&
      [...this.#routes].every(([id, certificate]) => routes.get(id) === certificate);
    const set = isSame ? this.#previous : { texts: this.#texts, routes: this.#routes };
    return { set, faults: this.#faults };
  }
}

/** A usable certificate: digests of its texts, and what clients see. */
interface Pair {
  readonly chain: string;
  readonly key: string;
  readonly shown: ShownCertificate;
}

function pairOf({ pems: { chain, key }, shown }: RouteCertificate): Pair | undefined {
  return chain === undefined || key === undefined || shown === undefined ? undefined : { chain, key, shown };
}

/** The result of the first call for a key, failure included. */
async function once<Result>(
  results: Map<string, Promise<Result>>,
  key: string,
  action: () => Promise<Result>,
): Promise<Result> {
  let result = results.get(key);
  if (result === undefined) results.set(key, result = action());
  return await result;
}

function digestsOf({ chain, key, authorities }: RoutePems): string[] {
  return [chain, key, authorities].filter((digest) => digest !== undefined);
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
    const detail = messageOf(error);
    return new ProxyError("unavailable", `cannot read "${path}": ${detail}`, { cause: error });
  }
}
