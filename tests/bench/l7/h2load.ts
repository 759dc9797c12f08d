/**
 * Load by h2load, Debian's `nghttp2-client`, over TLS 1.3 with one cipher. It never resumes a TLS session.
 *
 * @module
 */

import { print } from "../../support/print.ts";

/** The only cipher suite that is offered. */
export const CIPHER = "TLS_AES_128_GCM_SHA256";

/** One load. */
export interface HttpLoad {
  readonly port: number;
  /** Server name and authority. */
  readonly name: string;
  readonly path: string;
  readonly requests: number;
  readonly clients: number;
  /** Streams at once on each connection. Default 1. */
  readonly streams?: number;
  readonly http1?: boolean;
  /** Requests a second of each client; absent = as many as go. */
  readonly requestsPerSecond?: number;
  /** New clients a second; absent = all at once. */
  readonly clientsPerSecond?: number;
  /** File that each request posts. */
  readonly content?: string;
  /** Where to write a line for each request. */
  readonly log?: string;
  /** Without TLS, by h2c: to the backend itself. */
  readonly clear?: boolean;
}

/** Runs a load. @returns seconds that it took; throws unless every request got a 2xx, by the one cipher */
export async function h2load(load: HttpLoad): Promise<number> {
  const { port, name, path, requests, clients, streams = 1, clear = false } = load;
  const given = (flag: string, value: unknown) => value === undefined ? [] : [`${flag}=${value}`];
  const { stdout, stderr } = await new Deno.Command("h2load", {
    args: [
      `--requests=${requests}`,
      `--clients=${clients}`,
      `--max-concurrent-streams=${streams}`,
      `--tls13-ciphers=${CIPHER}`,
      `--connect-to=127.0.0.1:${port}`,
      ...load.http1 === true ? ["--h1"] : [],
      ...given("--rps", load.requestsPerSecond),
      ...given("--rate", load.clientsPerSecond),
      ...given("--data", load.content),
      ...given("--log-file", load.log),
      `${clear ? "http" : "https"}://${name}:${port}${path}`,
    ],
  }).output();
  const text = new TextDecoder().decode(stdout);
  const good = Number(/status codes: (\d+) 2xx/.exec(text)?.[1]);
  const isSame = clear || text.includes("TLS Protocol: TLSv1.3\n") && text.includes(`Cipher: ${CIPHER}\n`);
  if (good !== requests || !isSame) {
    print(text + new TextDecoder().decode(stderr));
    throw new Error(`h2load: ${good} of ${requests} got a 2xx${isSame ? "" : ", by another cipher"}`);
  }
  return secondsOf(/finished in ([\d.]+)(us|ms|s|m|h)/.exec(text)!);
}

function secondsOf([, count, unit]: RegExpExecArray): number {
  return Number(count) * { us: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3_600 }[unit!]!;
}
