/**
 * Headers of pires/go-proxyproto's tests through the running program, each in front of a hello, whole and byte by byte.
 * The backend is told the client by a header of ours and echoes it, so the client sees whom the program took it for.
 *
 * @module
 */

import { parseIpBytes } from "../../src/wire/ip_bytes.ts";
import { parseProxyHeader } from "../../src/wire/proxy_protocol.ts";
import { echoBackend } from "../support/backends.ts";
import { bytes, clientHello } from "../support/client_hello.ts";
import type { LogEvent } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { openClient } from "../support/raw_client.ts";
import type { ProxyProtocolVector } from "./proxy_protocol_vectors.ts";
import type { VectorResult } from "./result.ts";

const SERVER_NAME = "a.test";
const HELLO = clientHello({ serverName: SERVER_NAME });
const DELIVERIES = ["whole", "bytes"] as const;
/** Headers that are being sent at once. */
const AT_ONCE = 16;

/** A header that was sent and what became of it. */
interface Trial {
  readonly vector: ProxyProtocolVector;
  readonly delivery: typeof DELIVERIES[number];
  /** The client's own address, as the program saw it. */
  readonly peer: string;
  readonly answer: Uint8Array;
}

/** Runs the vectors through the program. */
export async function runProxyHeaders(vectors: readonly ProxyProtocolVector[]): Promise<VectorResult> {
  await using backend = echoBackend();
  const route = { hostname: SERVER_NAME, backend: backend.addr, send_proxy_protocol: true };
  await using proxy = await startProxy({
    listeners: [{ proxy_protocol: true, trusted_proxies: ["127.0.0.1"], routes: [route] }],
    proxy: { client_hello_timeout: "15s" },
  });
  const trials: Trial[] = [];
  const jobs = vectors.flatMap((vector) => DELIVERIES.map((delivery) => ({ vector, delivery }))).values();
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (const { vector, delivery } of jobs) trials.push(await send(proxy.addr, vector, delivery));
  }));
  const wrong = trials.flatMap((trial) => {
    const fault = judge(trial);
    return fault === undefined ? [] : [`${trial.vector.name}, ${trial.delivery}: ${fault}`];
  });
  return {
    set: "proxy_protocol (running program)",
    checked: trials.length,
    wrong: [...wrong, ...judgeEvents(await stopQuietly(proxy), trials)],
    note: `${vectors.length} headers, whole and byte by byte`,
  };
}

async function send(
  addr: string,
  vector: ProxyProtocolVector,
  delivery: Trial["delivery"],
): Promise<Trial> {
  const header = Uint8Array.fromHex(vector.hex);
  // What follows a header in the vectors is no hello.
  const sent = vector.consumed > 0 ? bytes(header.subarray(0, vector.consumed), HELLO) : header;
  using client = await openClient(addr);
  const peer = client.localAddr;
  const parts = delivery === "whole" ? [sent] : Array.from(sent, (byte) => Uint8Array.of(byte));
  for (const part of parts) await client.send(part).catch(() => {});
  await client.finish().catch(() => {});
  const { bytes: answer } = await client.readToEnd();
  return { vector, delivery, peer, answer };
}

function judge({ vector, peer, answer }: Trial): string | undefined {
  const { expect, info } = vector;
  if (answer.length === 0) return expect === "ok" ? "it was refused" : undefined;
  if (expect !== "ok" && expect !== "may" && expect !== "ambiguous") return "it was let in";
  const outcome = parseProxyHeader(answer);
  if (outcome.kind !== "header") return "the backend was told nothing";
  if (answer.subarray(outcome.consumed).toHex() !== HELLO.toHex()) return "the backend got other bytes";
  if (expect === "ambiguous") return undefined;
  const { source } = outcome.header;
  const isDeclared = info.cmd !== "LOCAL" && info.src !== undefined;
  const [host, port] = isDeclared ? [info.src!, info.sport!] : peer.split(":");
  const wanted = `${unmapped(host!)} ${port}`;
  const got = `${source && unmapped(source.host)} ${source?.port}`;
  return wanted === got ? undefined : `the backend was told ${got}, wanted ${wanted}`;
}

/** An address's bytes in hex; those of IPv4 for one that is mapped. */
function unmapped(host: string): string | undefined {
  return parseIpBytes(host)?.toHex().replace(/^0{20}ffff/, "");
}

/** Every connection is told of once, those without an answer as wrong headers. */
function judgeEvents(events: readonly LogEvent[], trials: readonly Trial[]): string[] {
  const served = trials.filter(({ answer }) => answer.length > 0).length;
  const count = (reason: string) => events.filter((event) => event["reason"] === reason).length;
  const got = [count("client_eof"), count("proxy_header_invalid"), events.length];
  const wanted = [served, trials.length - served, trials.length];
  return `${got}` === `${wanted}` ? [] : [`served, refused, all: the log says ${got}, the clients ${wanted}`];
}
