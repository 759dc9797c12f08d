/**
 * Goal: whatever a client does to its TLS, at whatever byte, costs itself its connection and the proxy nothing that
 * lasts: afterwards the workers hold as many sockets as before and no more memory, and meanwhile others are served.
 * Method: real TLS clients of both versions behind a relay that spoils what they send: cut, reset, stalled, flipped,
 * forged, within the hello, the rest of the handshake and the first request. With `MC_PROXY_TEST_FULL` many times over.
 *
 * @module
 */

import assert from "node:assert/strict";
import tls from "node:tls";
import { anonymousKib } from "../support/processes.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { eventually } from "./eventually.ts";
import { besides, visitOverHttp } from "./honest_clients.ts";
import { openSite } from "./l7_site.ts";
import { type Mangler, SPOILINGS, startMangler } from "./mangler.ts";
import { sharedMemoryOf, socketCount } from "./shared_counts.ts";

const IS_FULL = Deno.env.has("MC_PROXY_TEST_FULL");
const NAME = "h2c.test";
const WORKERS = 2;
const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
type Version = typeof VERSIONS[number];
const ROUNDS = IS_FULL ? 40 : 4;
/** Of the proxy, for each stage; the honest client is held to it, too. */
const TIMEOUT = "3s";
/** Of the attacker: far above the proxy's, so that what that forgets is found afterwards. */
const TIMEOUT_MS = 20_000;
/** Of each worker: what a heap may happen to keep. A connection that leaks its TLS costs 60 KiB, of hundreds. */
const GROWTH_KIB_MAX = 16 * 1_024;

/** Bytes that a client of this version sends: in its hello, in its handshake, and with a request behind. */
interface Extent {
  readonly hello: number;
  readonly handshake: number;
  readonly whole: number;
}

/** Connects, asks when it can, and resolves at the end, whichever it is. */
function attack(port: number, version: Version): Promise<void> {
  const socket = tls.connect({
    host: "127.0.0.1",
    port,
    servername: NAME,
    rejectUnauthorized: false,
    minVersion: version,
    maxVersion: version,
    ALPNProtocols: ["http/1.1"],
  });
  return new Promise((resolve) => {
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve());
    socket.on("secureConnect", () => socket.write(`GET /x HTTP/1.1\r\nHost: ${NAME}\r\n\r\n`));
    socket.on("data", () => socket.end());
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
  });
}

/** Lets one client through unspoiled and counts what it sends. */
async function extentOf(mangler: Mangler, version: Version): Promise<Extent> {
  const lengths: number[] = [];
  mangler.plan = { spoiling: "fin", afterBytes: Infinity };
  mangler.onClientBytes = (count) => lengths.push(count);
  await attack(mangler.port, version);
  mangler.onClientBytes = undefined;
  const whole = lengths.reduce((sum, count) => sum + count);
  return { hello: lengths[0]!, handshake: lengths[0]! + lengths[1]!, whole };
}

/** Bytes after which to spoil: within each flight, and at its end. */
function places({ hello, handshake, whole }: Extent): readonly number[] {
  const within = (from: number, to: number, share: number) => Math.floor(from + (to - from) * share);
  return [
    0,
    3,
    within(0, hello, 0.5),
    hello - 1,
    hello,
    within(hello, handshake, 0.1),
    within(hello, handshake, 0.5),
    handshake - 1,
    handshake,
    within(handshake, whole, 0.5),
    whole - 1,
  ];
}

/** All attacks, `rounds` times; those that stall are many at once, since only the deadlines end them. */
async function attacks(mangler: Mangler, extents: Record<Version, Extent>, rounds: number): Promise<number> {
  const under: Promise<void>[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const version of VERSIONS) {
      for (const afterBytes of places(extents[version])) {
        for (const spoiling of SPOILINGS) {
          const arrived = mangler.nextConnection();
          mangler.plan = { spoiling, afterBytes };
          under.push(attack(mangler.port, version));
          await arrived;
        }
      }
    }
  }
  await Promise.all(under);
  return under.length;
}

async function settled({ program }: Proxy): Promise<void> {
  await eventually("no connection open", () => sharedMemoryOf(program.pid, WORKERS).total(0) === 0);
}

Deno.test("spoiled TLS of every kind, at every stage and in both versions, leaves no trace", async () => {
  await using site = await openSite();
  await using proxy = await startProxy({
    listeners: [{ routes: [site.route(NAME, site.clear)] }],
    proxy: { workers: WORKERS, client_hello_timeout: TIMEOUT },
    http: { tls_handshake_timeout: TIMEOUT, request_header_timeout: TIMEOUT, idle_timeout: TIMEOUT },
  });
  const { program, addr } = proxy;
  const workers = program.workers();
  await using mangler = await startMangler(addr);
  const extents = {
    "TLSv1.2": await extentOf(mangler, "TLSv1.2"),
    "TLSv1.3": await extentOf(mangler, "TLSv1.3"),
  };
  const visit = () => visitOverHttp(addr, NAME, site.authority);
  await besides(attacks(mangler, extents, 1), visit);
  await settled(proxy);
  const before = workers.map((pid) => ({ sockets: socketCount(pid), kib: anonymousKib(pid) }));
  const [made, visits] = await besides(attacks(mangler, extents, ROUNDS), visit);
  assert.ok(made >= ROUNDS * 2 * 11 * SPOILINGS.length && visits.length >= ROUNDS);
  await settled(proxy);
  await eventually(
    "every socket given back",
    () => workers.every((pid, at) => socketCount(pid) <= before[at]!.sockets),
  );
  const growth = workers.map((pid, at) => anonymousKib(pid) - before[at]!.kib);
  assert.ok(growth.every((kib) => kib < GROWTH_KIB_MAX), `${growth} KiB more after ${made} attacks`);
  assert.deepEqual(program.workers(), workers);
  const connections = await stopQuietly(proxy);
  const reasons = new Set(connections.map(({ reason }) => reason));
  for (const reason of ["hello_timeout", "hello_eof", "not_tls", "tls_failed", "tls_timeout", "http_idle"]) {
    assert.ok(reasons.has(reason), `${[...reasons]} without ${reason}`);
  }
});
