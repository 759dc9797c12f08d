/** What one worker holds for all its clients together, and for one of them whatever backends it is fed from. */
import assert from "node:assert/strict";
import type { Http2Connection } from "../../src/http2/connection.ts";
import { floodCounter } from "../../src/observe/counters.ts";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import { CodecBackend } from "./codec_backend.ts";
import { type Client, Coupling } from "./coupling.ts";
import type { PeerStream } from "./http_peer.ts";

const KIB = 1_024;
const MIB = 1_048_576;
const STREAMS = 100;

/** Answers with as many bytes as the path says; `/` with `ok`. */
function sizedBackend(version: "h2" | "http/1.1", maxConcurrentStreams = 1_000): CodecBackend {
  return new CodecBackend({
    version,
    http2: { maxConcurrentStreams, maxBufferedBytesPerConnection: 1 << 29 },
    onEnd: (stream) => {
      const bytes = Number(stream.request!.path.slice(1));
      stream.respond(200, { isOpen: true });
      if (bytes === 0) stream.send("ok", true);
      else stream.send(new Uint8Array(bytes), true);
    },
  });
}

function couple(far: CodecBackend, version: "h2" | "http/1.1", bufferedBytesMax?: number): Coupling {
  return new Coupling({
    port: far.port,
    l7: { backendProtocol: version === "h2" ? "h2c" : version },
    connectionsMax: 2 * STREAMS,
    ...(bufferedBytesMax !== undefined && { bufferedBytesMax }),
  });
}

function askMany({ peer }: Client, count: number, path: string): PeerStream[] {
  return Array.from({ length: count }, () => {
    const stream = peer.ask({ path });
    stream.isHolding = true;
    return stream;
  });
}

async function whole({ peer }: Client, streams: readonly PeerStream[], bytes: number): Promise<void> {
  await peer.until("whole responses", () => streams.every((stream) => stream.isOver));
  assert.deepEqual(new Set(streams.map((stream) => stream.bytes)), new Set([bytes]));
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function close(far: CodecBackend, near: Coupling): Promise<void> {
  await far[Symbol.asyncDispose]();
  await near[Symbol.asyncDispose]();
  assert.deepEqual(near.defects, []);
  assert.equal(near.service.buffers.bytes, 0);
}

Deno.test("a slow honest client isn't ended for what a hundred reused HTTP/1.1 connections bring at once", async () => {
  await using far = sizedBackend("http/1.1");
  const near = couple(far, "http/1.1");
  // Each connection has had a download of its own, and waits for more with a buffer that was full.
  const visitors = Array.from({ length: STREAMS }, () => near.client("h2"));
  const first = visitors.map(({ peer }) => peer.ask({ path: `/${300 * KIB}` }));
  await Promise.all(visitors.map((client, index) => whole(client, [first[index]!], 300 * KIB)));
  assert.equal(far.connections.length, STREAMS);
  const slow = near.client("h2");
  const streams = askMany(slow, STREAMS, `/${256 * KIB}`);
  await slow.peer.until("heads", () => streams.every(({ status }) => status === 200));
  await turns();
  assert.equal(slow.peer.isClosed, false);
  for (const stream of streams) stream.release();
  await whole(slow, streams, 256 * KIB);
  assert.equal(near.column.counted(floodCounter("buffered_bytes")), 0);
  await close(far, near);
});

Deno.test("streams that a client lets wait don't hold up those that it takes", async (t) => {
  for (const version of ["h2", "http/1.1"] as const) {
    await t.step(`${version} backend`, async () => {
      await using far = sizedBackend(version);
      const near = couple(far, version);
      const client = near.client("h2");
      const waiting = askMany(client, 50, `/${256 * KIB}`);
      await client.peer.until("heads", () => waiting.every(({ status }) => status === 200));
      await turns();
      const taken = [client.peer.ask({ path: "/0" }), client.peer.ask({ path: `/${MIB}` })];
      await client.peer.until("answers beside them", () => taken.every(({ isEnded }) => isEnded));
      assert.deepEqual(taken.map((stream) => stream.bytes), [2, MIB]);
      for (const stream of waiting) stream.release();
      await whole(client, waiting, 256 * KIB);
      await close(far, near);
    });
  }
});

Deno.test("a client fed from many h2 connections that pauses after a fast start isn't ended, in bounded memory", async () => {
  const bytes = 2 * MIB;
  await using far = sizedBackend("h2", 1);
  const near = couple(far, "h2");
  const client = near.client("h2");
  const streams: PeerStream[] = [];
  for (let count = 0; count < 20; count++) {
    const stream = client.peer.ask({ path: `/${bytes}` });
    streams.push(stream);
    await client.peer.until("head", () => stream.status === 200);
    stream.isHolding = true;
  }
  for (const stream of streams) stream.release();
  // Read until every window has grown as far as it may, then not at all.
  await client.peer.until("a fast start", () => streams.every((stream) => stream.bytes > 600 * KIB));
  for (const stream of streams) stream.isHolding = true;
  await turns();
  assert.equal(client.peer.isClosed, false);
  const held = (client.session.codec as Http2Connection).bufferedBytes;
  assert.ok(held <= 512 * KIB + STREAMS * 16 * KIB, `${held} bytes held`);
  for (const stream of streams) stream.release();
  await whole(client, streams, bytes);
  assert.ok(far.connections.length >= 20);
  await close(far, near);
});

Deno.test("what clients leave behind doesn't narrow the windows of those who share the backend's connection", async (t) => {
  const leaving: Readonly<Record<string, (client: Client, streams: readonly PeerStream[]) => void>> = {
    "a client that goes": (client) => client.leave(true),
    "streams that are reset": (_, streams) => streams.forEach((stream) => stream.cancel(ErrorCode.CANCEL)),
  };
  for (const [name, leave] of Object.entries(leaving)) {
    await t.step(name, async () => {
      await using far = sizedBackend("h2");
      const near = couple(far, "h2");
      const honest = near.client("h2");
      // Its backend connection is the one that all share.
      const open = honest.peer.ask({ method: "POST" }, { isOpen: true });
      await far.until("stream", () => far.streams.length === 1);
      const shared = [...honest.session.exchanges.values()][0]!.backend!.codec as Http2Connection;
      const client = near.client("h2");
      // Whole answers that wait for a client without a window.
      client.peer.codec.receive(new Uint8Array(), 0);
      const streams = askMany(client, 50, `/${80_000}`);
      await client.peer.until("heads", () => streams.every(({ status }) => status === 200));
      await turns();
      assert.ok(shared.heldBytes > 0, "something is held");
      leave(client, streams);
      await turns();
      assert.equal(shared.heldBytes, 0);
      open.cancel(ErrorCode.CANCEL);
      await close(far, near);
    });
  }
});

Deno.test("an upload that is cancelled while its backend takes nothing leaves nothing behind", async () => {
  await using far = new CodecBackend({ version: "h2", onHead: (stream) => stream.isHolding = true });
  const near = new Coupling({ port: far.port });
  const client = near.client("h2");
  const uploads = Array.from({ length: 20 }, () => {
    const stream = client.peer.ask({ method: "POST" }, { isOpen: true });
    stream.send(new Uint8Array(200_000));
    return stream;
  });
  await far.until("streams", () => far.streams.length === 20);
  await turns();
  const codec = client.session.codec as Http2Connection;
  assert.ok(codec.heldBytes > 100_000, `${codec.heldBytes} bytes held`);
  assert.ok(near.service.buffers.bytes >= codec.heldBytes);
  for (const upload of uploads) upload.cancel(ErrorCode.CANCEL);
  await turns();
  assert.equal(codec.heldBytes, 0);
  await close(far, near);
});

Deno.test("open requests and their heads count as long as they are open", async () => {
  await using far = new CodecBackend({ version: "h2" });
  const near = new Coupling({ port: far.port });
  const client = near.client("h2");
  const fields = ["x-large", "x".repeat(10_000)];
  const streams = Array.from({ length: 50 }, () => client.peer.ask({ fields }));
  await far.until("requests", () => far.streams.length === 50);
  await turns();
  assert.ok(near.service.buffers.bytes >= 50 * (10_000 + 2_048), `${near.service.buffers.bytes} bytes`);
  for (const stream of streams) stream.cancel(ErrorCode.CANCEL);
  await turns();
  assert.equal(near.service.buffers.bytes, 0);
  await close(far, near);
});

Deno.test("over the worker's budget the largest holders are ended as a flood, and others are served", async (t) => {
  for (const version of ["h2", "http/1.1"] as const) {
    await t.step(`${version} backend`, async () => {
      const bytesMax = 2 * MIB;
      await using far = sizedBackend(version);
      const near = couple(far, version, bytesMax);
      const stalled: Client[] = [];
      for (let round = 0; round < 12; round++) {
        const client = near.client("h2");
        stalled.push(client);
        const streams = askMany(client, 30, `/${256 * KIB}`);
        await client.peer.until(
          "heads",
          () => streams.every(({ status, isOver }) => status === 200 || isOver),
        );
        await turns();
        assert.ok(near.service.buffers.bytes <= bytesMax, `${near.service.buffers.bytes} bytes`);
        const honest = near.client(round % 2 === 0 ? "h2" : "http/1.1");
        const small = honest.peer.ask({ path: "/0" });
        await honest.peer.until("answer", () => small.isOver);
        assert.deepEqual([small.status, small.text], [200, "ok"]);
        honest.leave(true);
      }
      const ended = stalled.filter(({ peer }) => peer.isClosed);
      assert.ok(ended.length >= 3, `${ended.length} of ${stalled.length} ended`);
      for (const client of ended) assert.equal(await client.ended, "flood");
      assert.equal(near.column.counted(floodCounter("worker_buffer")), ended.length);
      await close(far, near);
    });
  }
});

Deno.test("near the worker's budget who holds much gets 503, and windows don't grow", async () => {
  await using far = sizedBackend("h2");
  const near = couple(far, "h2", MIB);
  const client = near.client("h2");
  const streams: PeerStream[] = [];
  while (!near.service.buffers.isTight && streams.length < STREAMS) {
    const few = askMany(client, 5, `/${256 * KIB}`);
    await client.peer.until("heads", () => few.every(({ status }) => status === 200));
    await turns();
    streams.push(...few);
  }
  assert.equal(near.service.buffers.isTight, true);
  const refused = client.peer.ask({ path: "/0" });
  await client.peer.until("answer", () => refused.isOver);
  assert.equal(refused.status, 503);
  const honest = near.client("h2");
  const large = honest.peer.ask({ path: `/${MIB}` });
  await whole(honest, [large], MIB);
  for (const stream of streams) stream.release();
  await client.peer.until("all", () => streams.every(({ isOver }) => isOver));
  assert.equal(near.service.buffers.isTight, false);
  const served = client.peer.ask({ path: "/0" });
  await client.peer.until("answer", () => served.isOver);
  assert.equal(served.status, 200);
  await close(far, near);
});
