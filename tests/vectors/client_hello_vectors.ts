/**
 * 3,414 first flights from the fuzz corpora and test data of other TLS libraries, with the verdict of three
 * independent parsers, through the pure parser: whole, in two halves, and byte by byte.
 *
 * @module
 */

import { type ClientHelloOutcome, ClientHelloReader } from "../../src/wire/client_hello.ts";
import { parseIpBytes } from "../../src/wire/ip_bytes.ts";
import { parseJsonLines, type VectorResult } from "./result.ts";

/** One first flight. */
export interface ClientHelloVector {
  readonly name: string;
  readonly source: string;
  /** What the three parsers said; `ambiguous`: they differ. */
  readonly expect: "route" | "nosni" | "reject" | "incomplete" | "reject-or-wait" | "ambiguous";
  /** The canonical server name, for `route`. */
  readonly route_key: string | null;
  /** Read as UTF-8, broken bytes replaced; `null`: not recorded. */
  readonly alpn: readonly string[] | null;
  readonly hex: string;
}

/** Reads the vectors of a directory. */
export async function loadClientHellos(directory: string): Promise<ClientHelloVector[]> {
  const file = await Deno.open(`${directory}/client_hellos.jsonl.gz`);
  const text = await new Response(file.readable.pipeThrough(new DecompressionStream("gzip"))).text();
  return parseJsonLines(text);
}

/**
 * Whether the hello's name is an IP literal, as old clients sent it. The three parsers route such names; RFC 6066
 * §3 forbids them and mc-proxy refuses the hello, so being refused is the right answer here.
 */
export function namesIpLiteral(vector: ClientHelloVector): boolean {
  return vector.route_key !== null && parseIpBytes(vector.route_key) !== undefined;
}

/** Runs the vectors through the pure parser. */
export function checkClientHellos(vectors: readonly ClientHelloVector[]): VectorResult {
  const wrong: string[] = [];
  for (const vector of vectors) {
    const bytes = Uint8Array.fromHex(vector.hex);
    const half = bytes.length >> 1;
    const deliveries = {
      whole: [bytes],
      halves: [bytes.subarray(0, half), bytes.subarray(half)],
      bytes: Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)),
    };
    for (const [delivery, pieces] of Object.entries(deliveries)) {
      const fault = judge(vector, read(pieces), bytes);
      if (fault !== undefined) wrong.push(`${vector.name}, ${delivery}: ${fault}`);
    }
  }
  const literals = vectors.filter(namesIpLiteral).length;
  const note = `${literals} that name an IP literal must be refused`;
  return { set: "client_hellos (pure)", checked: vectors.length, wrong, note };
}

function read(pieces: readonly Uint8Array[]): ClientHelloOutcome {
  const reader = new ClientHelloReader();
  let outcome = reader.push(new Uint8Array(0));
  for (const piece of pieces) outcome = reader.push(piece);
  return outcome;
}

function judge(
  vector: ClientHelloVector,
  outcome: ClientHelloOutcome,
  bytes: Uint8Array,
): string | undefined {
  const name = outcome.kind === "hello" ? outcome.hello.serverName : undefined;
  const answer = outcome.kind === "hello" ? `hello for ${name ?? "nobody"}` : JSON.stringify(outcome);
  const right = {
    route: namesIpLiteral(vector) ? outcome.kind === "invalid" : name === vector.route_key,
    nosni: outcome.kind === "hello" && name === undefined,
    reject: outcome.kind === "invalid",
    incomplete: outcome.kind === "need_more",
    "reject-or-wait": outcome.kind !== "hello",
    ambiguous: name === undefined || holdsName(bytes, name),
  }[vector.expect];
  if (!right) return `wanted ${vector.expect} ${vector.route_key ?? ""}, got ${answer}`;
  if (outcome.kind !== "hello" || vector.expect === "ambiguous" || vector.alpn === null) return undefined;
  const alpn = outcome.hello.alpnProtocols.map(readUtf8);
  if (JSON.stringify(alpn) === JSON.stringify(vector.alpn)) return undefined;
  return `wanted ALPN ${JSON.stringify(vector.alpn)}, got ${JSON.stringify(alpn)}`;
}

/** Whether the name stands in the bytes as it is: a name that nobody sent must not be routed. */
export function holdsName(bytes: Uint8Array, name: string): boolean {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("").toLowerCase().includes(name);
}

function readUtf8(latin1: string): string {
  return new TextDecoder().decode(Uint8Array.from(latin1, (character) => character.charCodeAt(0)));
}
