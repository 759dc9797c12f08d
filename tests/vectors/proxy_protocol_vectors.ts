/**
 * Headers of pires/go-proxyproto's tests through the pure parser, whole and as they grow byte by byte.
 *
 * @module
 */

import { parseIpBytes } from "../../src/wire/ip_bytes.ts";
import { parseProxyHeader } from "../../src/wire/proxy_protocol.ts";
import type { ProxyAddress, ProxyHeader, ProxyHeaderOutcome } from "../../src/wire/proxy_protocol_header.ts";
import { parseJsonLines, type VectorResult } from "./result.ts";

/** One header. */
export interface ProxyProtocolVector {
  readonly name: string;
  /** `may`: to be taken as `info` says, or refused; `none`: not a header; `ambiguous`: readers differ. */
  readonly expect: "ok" | "may" | "none" | "invalid" | "incomplete" | "ambiguous";
  readonly info: {
    readonly v?: 1 | 2;
    readonly cmd?: "LOCAL" | "PROXY";
    readonly src?: string;
    readonly dst?: string;
    readonly sport?: number;
    readonly dport?: number;
    readonly tlvs?: readonly (readonly [type: number, hex: string])[];
  };
  /** Length of the header where there is one. */
  readonly consumed: number;
  readonly hex: string;
}

/** Reads the vectors of a directory. */
export async function loadProxyHeaders(directory: string): Promise<ProxyProtocolVector[]> {
  return parseJsonLines(await Deno.readTextFile(`${directory}/proxy_protocol.jsonl`));
}

/** Runs the vectors through the pure parser. */
export function checkProxyHeaders(vectors: readonly ProxyProtocolVector[]): VectorResult {
  const wrong: string[] = [];
  for (const vector of vectors) {
    const bytes = Uint8Array.fromHex(vector.hex);
    const whole = parseProxyHeader(bytes);
    const fault = judge(vector, whole) ?? judgeGrowth(vector, bytes, whole);
    if (fault !== undefined) wrong.push(`${vector.name}: ${fault}`);
  }
  return { set: "proxy_protocol (pure)", checked: vectors.length, wrong };
}

function judge(vector: ProxyProtocolVector, outcome: ProxyHeaderOutcome): string | undefined {
  const { expect } = vector;
  const right = {
    ok: outcome.kind === "header",
    may: outcome.kind !== "need_more",
    none: outcome.kind === "invalid",
    invalid: outcome.kind === "invalid",
    incomplete: outcome.kind === "need_more",
    ambiguous: true,
  }[expect];
  if (!right) return `wanted ${expect}, got ${describe(outcome)}`;
  if (outcome.kind !== "header") return undefined;
  if (outcome.consumed !== vector.consumed) {
    return `wanted ${vector.consumed} bytes, took ${outcome.consumed}`;
  }
  return judgeHeader(vector.info, outcome.header);
}

/** While the header grows it needs more; the first other outcome is that of the whole. */
function judgeGrowth(
  vector: ProxyProtocolVector,
  bytes: Uint8Array,
  whole: ProxyHeaderOutcome,
): string | undefined {
  for (let length = 0; length <= bytes.length; length++) {
    const outcome = parseProxyHeader(bytes.subarray(0, length));
    if (outcome.kind === "need_more" && length < bytes.length) continue;
    if (describe(outcome) !== describe(whole)) return `after ${length} bytes it was ${describe(outcome)}`;
    if (outcome.kind === "header" && length !== vector.consumed) return `was whole after ${length} bytes`;
    return undefined;
  }
  return undefined;
}

function judgeHeader(info: ProxyProtocolVector["info"], header: ProxyHeader): string | undefined {
  const local = header.command === "LOCAL";
  const wanted = JSON.stringify({
    version: info.v,
    command: info.cmd,
    // LOCAL: the specification discards the addresses and everything behind them.
    source: local ? undefined : endpoint(info.src, info.sport),
    destination: local ? undefined : endpoint(info.dst, info.dport),
    tlvs: local ? [] : info.tlvs ?? [],
  });
  const got = JSON.stringify({
    version: header.version,
    command: header.command,
    source: endpointOf(header.source),
    destination: endpointOf(header.destination),
    tlvs: header.tlvs.map(({ type, value }) => [type, value.toHex()]),
  });
  return wanted === got ? undefined : `wanted ${wanted}, got ${got}`;
}

/** An address by its bytes, so that its spelling doesn't count. */
function endpoint(host?: string, port?: number): string | undefined {
  return host === undefined ? undefined : `${parseIpBytes(host)?.toHex()} ${port}`;
}

function endpointOf(address?: ProxyAddress): string | undefined {
  return endpoint(address?.host, address?.port);
}

function describe(outcome: ProxyHeaderOutcome): string {
  return JSON.stringify(outcome);
}
