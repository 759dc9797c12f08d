/**
 * Goal: a client that makes the proxy work for nothing loses its connection, told why, and nobody else notices: not
 * the backend, not an honest client.
 * Method: the real program, frames made by hand inside TLS, a backend that counts, and meanwhile an honest client that
 * comes again and again on connections of its own.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FrameType } from "../../src/http2/frames.ts";
import { floodCounter, type FloodKind } from "../../src/observe/counters.ts";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import { block, concat, frame, settings, uint32 } from "../http2/raw_peer.ts";
import { CodecBackend } from "../l7/codec_backend.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { eventually } from "./eventually.ts";
import { besides, HONEST_PATH, visitOverHttp } from "./honest_clients.ts";
import { Http2Client } from "./http2_client.ts";
import { openSite, type Site } from "./l7_site.ts";
import { SharedCounters } from "./shared_counters.ts";

const NAME = "h2c.test";
const WORKERS = 2;
/** Between two visits of the honest client. */
const END_HEADERS = 0x4;
/** Frames of one write. */
const BATCH = 500;

/** Answers all but `/open`; resets are not its own business. */
function countingBackend(): CodecBackend {
  return new CodecBackend({
    version: "h2",
    http2: { maxResetsBurst: 1e9, maxResetsPerSecond: 1e9 },
    onHead: (stream) => {
      if (stream.request!.path === "/open") return;
      stream.respond(200, { fields: ["content-length", "2"], text: "ok" });
    },
  });
}

async function withProxy(
  use: (proxy: Proxy, site: Site, backend: CodecBackend) => Promise<void>,
): Promise<void> {
  await using site = await openSite();
  await using backend = countingBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: [site.route(NAME, `127.0.0.1:${backend.port}`)] }],
    proxy: { workers: WORKERS },
  });
  const workers = proxy.program.workers();
  await use(proxy, site, backend);
  assert.deepEqual(proxy.program.workers(), workers);
  await stopQuietly(proxy);
}

function requestsAt(backend: CodecBackend): number {
  return backend.streams.filter(({ request }) => request!.path !== HONEST_PATH).length;
}

Deno.test("20,000 requests that are reset at once end the session and are spared the backend", async () => {
  await withProxy(async ({ addr, program }, { authority }, backend) => {
    await using client = await Http2Client.open({ addr, name: NAME, authority });
    const attack = async () => {
      for (let sent = 0; sent < 20_000; sent += BATCH) {
        const pairs: Uint8Array[] = [];
        for (let index = 0; index < BATCH; index++) {
          pairs.push(client.request("/open"));
          pairs.push(frame(FrameType.RST_STREAM, 0, client.lastStreamId, uint32(ErrorCode.CANCEL)));
        }
        if (!await client.send(concat(...pairs))) break;
      }
      await client.ended();
    };
    await besides(attack(), () => visitOverHttp(addr, NAME, authority));
    await program.connectionEvent({ reason: "flood" });
    assert.equal(new SharedCounters(program, WORKERS).counted(floodCounter("reset")), 1);
    assert.ok(requestsAt(backend) < 2_000, `${requestsAt(backend)} requests reached the backend`);
  });
});

/** Bytes of a flood, made again and again until the connection ends. */
type Flood = (client: Http2Client) => Uint8Array;

const many = (bytes: Uint8Array) => concat(...Array.from({ length: BATCH }, () => bytes));
const openStream = (client: Http2Client) => client.request("/open", { isOpen: true });

/** A field that fills the dynamic table, then 16,000 references to it: 16 KB that mean 56 MB. */
function expandingBlock(): Uint8Array {
  const value = 3_500;
  const literal = concat(
    Uint8Array.of(0x40, 1, 0x78, 0x7f, ...lengthRest(value - 127)),
    new Uint8Array(value).fill(0x61),
  );
  return concat(block(":method", "GET"), literal, new Uint8Array(12_000).fill(0x80 | 62));
}

function lengthRest(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...lengthRest(value >>> 7)];
}

interface FloodCase {
  readonly kind: FloodKind;
  readonly first?: Flood;
  readonly then: Flood;
  /** What the backend may see of it. Default 100. */
  readonly requestsMax?: number;
}

const FLOODS: readonly FloodCase[] = [
  { kind: "ping", then: () => many(frame(FrameType.PING, 0, 0, new Uint8Array(8))) },
  { kind: "settings", then: () => many(settings([1, 4096])) },
  { kind: "priority", then: () => many(frame(FrameType.PRIORITY, 0, 3, [0, 0, 0, 1, 0])) },
  { kind: "empty_data", first: openStream, then: () => many(frame(FrameType.DATA, 0, 1)) },
  { kind: "window_update", then: () => many(frame(FrameType.WINDOW_UPDATE, 0, 0, uint32(1))) },
  {
    kind: "window_update",
    first: openStream,
    then: () => many(frame(FrameType.WINDOW_UPDATE, 0, 1, uint32(1))),
  },
  {
    kind: "continuation",
    first: () => frame(FrameType.HEADERS, 0, 1, block(":method", "GET")),
    then: () => many(frame(FrameType.CONTINUATION, 0, 1)),
  },
  {
    kind: "header_bytes",
    first: () => frame(FrameType.HEADERS, 0, 1, block(":method", "GET")),
    then: () => frame(FrameType.CONTINUATION, 0, 1, new Uint8Array(16_384)),
  },
  { kind: "header_expansion", then: () => frame(FrameType.HEADERS, END_HEADERS, 1, expandingBlock()) },
  { kind: "streams", then: (client) => concat(...Array.from({ length: BATCH }, () => openStream(client))) },
  {
    // MadeYouReset (CVE-2025-8671): a window that grows by nothing makes the proxy send the reset.
    kind: "reset_made",
    then: (client) => {
      const pairs = Array.from({ length: BATCH }, () => {
        const head = openStream(client);
        return concat(head, frame(FrameType.WINDOW_UPDATE, 0, client.lastStreamId, uint32(0)));
      });
      return concat(...pairs);
    },
    requestsMax: 2_000,
  },
];

Deno.test("a flood of every kind ends its own connection with ENHANCE_YOUR_CALM and is counted", async (t) => {
  await withProxy(async ({ addr, program }, { authority }, backend) => {
    const counted = (kind: FloodKind) => new SharedCounters(program, WORKERS).counted(floodCounter(kind));
    let told = 0;
    for (const { kind, first, then, requestsMax = 100 } of FLOODS) {
      await t.step(`${kind}${first === undefined ? "" : " on a stream"}`, async () => {
        const [before, from] = [counted(kind), program.events.length];
        const requests = requestsAt(backend);
        await using client = await Http2Client.open({ addr, name: NAME, authority });
        const attack = async () => {
          if (first !== undefined) await client.send(first(client));
          // Far more than any limit: a connection that bears it isn't limited.
          for (let round = 0; round < 100 && !client.isEnded; round++) {
            if (!await client.send(then(client))) break;
          }
          await client.ended();
        };
        await besides(attack(), () => visitOverHttp(addr, NAME, authority));
        await program.connectionEvent({ reason: "flood" }, undefined, from);
        await eventually("one more flood", () => counted(kind) === before + 1);
        // A RST, since the client goes on sending, may take GOAWAY from it.
        if (client.goAwayCode !== undefined) assert.equal(client.goAwayCode, ErrorCode.ENHANCE_YOUR_CALM);
        if (client.goAwayCode !== undefined) told++;
        const seen = requestsAt(backend) - requests;
        assert.ok(seen <= requestsMax, `${seen} requests reached the backend`);
      });
    }
    assert.ok(told > FLOODS.length / 2, `${told} of ${FLOODS.length} were told`);
    await eventually("no slot held", () => new SharedCounters(program, WORKERS).held === 0);
  });
});
