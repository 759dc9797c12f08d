import assert from "node:assert/strict";
import type { Http2Connection } from "../../src/http2/connection.ts";
import { CodecBackend } from "./codec_backend.ts";
import { type Client, Coupling } from "./coupling.ts";
import type { PeerStream } from "./http_peer.ts";

const STREAMS = 100;
const RESPONSE_BYTES = 1_048_576;
const KIB = 1_024;
const MIB = 1_048_576;
/** Streams' base windows, half the budget on top, and a read that was under way for each HTTP/1.1 connection. */
const HELD_BYTES_MAX = { h2: 2_200 * KIB, "http/1.1": 2_600 * KIB } as const;

function bufferedBytes({ session }: Client): number {
  return (session.codec as Http2Connection).bufferedBytes;
}

function couple({ port }: CodecBackend, version: "h2" | "http/1.1"): Coupling {
  const l7 = { backendProtocol: version === "h2" ? "h2c" : version } as const;
  return new Coupling({ port, l7, connectionsMax: STREAMS + 1 });
}

/** Waits until a figure has stood still for 100 ms. */
async function settled(figure: () => number): Promise<number> {
  for (let last = -1, since = performance.now();;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const now = figure();
    if (now !== last) [last, since] = [now, performance.now()];
    else if (performance.now() - since > 100) return now;
  }
}

/** A backend that answers with a MiB each. */
function largeBackend(version: "h2" | "http/1.1"): CodecBackend {
  const part = new Uint8Array(RESPONSE_BYTES).fill(7);
  return new CodecBackend({
    version,
    http2: { maxConcurrentStreams: 1_000, maxBufferedBytesPerConnection: 1 << 29 },
    onEnd: (stream) => {
      stream.respond(200, { isOpen: true });
      if (stream.request!.path === "/small") stream.send("small", true);
      else stream.send(part, true);
    },
  });
}

Deno.test("a client that opens no window holds a bounded memory, however much its backends send", async (t) => {
  for (const version of ["h2", "http/1.1"] as const) {
    await t.step(version, async () => {
      await using far = largeBackend(version);
      const near = couple(far, version);
      const greedy = near.client("h2");
      const streams = Array.from({ length: STREAMS }, () => greedy.peer.ask({}));
      for (const stream of streams) stream.isHolding = true;
      await greedy.peer.until("heads", () => streams.every(({ status }) => status === 200));
      const held = await settled(() => bufferedBytes(greedy));
      assert.ok(held <= HELD_BYTES_MAX[version], `${held} bytes held`);
      const honest = near.client("h2");
      const small = honest.peer.ask({ path: "/small" });
      await honest.peer.until("answer", () => small.isOver);
      assert.equal(small.text, "small");
      for (const stream of streams) stream.release();
      await greedy.peer.until("whole responses", () => streams.every(isWhole));
      await far[Symbol.asyncDispose]();
      await near[Symbol.asyncDispose]();
    });
  }
});

Deno.test("a client that doesn't read its socket holds a bounded memory and is read no further", async (t) => {
  const rows = [["h2", 1], ["http/1.1", 1], ["http/1.1", 1_024]] as const;
  for (const [version, windowMib] of rows) {
    await t.step(`${version}, windows of ${windowMib} MiB in all`, async () => {
      await using far = largeBackend(version);
      const near = couple(far, version);
      const http2 = { maxBufferedBytesPerConnection: windowMib * MIB };
      const client = near.client("h2", { http2 });
      const warm = client.peer.ask({ path: "/small" });
      await client.peer.until("answer", () => warm.isOver);
      client.isStalled = true;
      const streams = Array.from({ length: STREAMS }, () => client.peer.ask({}));
      const held = await settled(() => bufferedBytes(client));
      assert.ok(held <= HELD_BYTES_MAX[version], `${held} bytes held`);
      client.isStalled = false;
      await client.peer.until("whole responses", () => streams.every(isWhole));
      await far[Symbol.asyncDispose]();
      await near[Symbol.asyncDispose]();
    });
  }
});

Deno.test("an upload waits for a backend that takes nothing, in bounded memory", async () => {
  await using far = new CodecBackend({ version: "h2", onHead: (stream) => stream.isHolding = true });
  const near = new Coupling({ port: far.port });
  const client = near.client("h2");
  const streams = Array.from({ length: 20 }, () => client.peer.ask({ method: "POST" }, { isOpen: true }));
  for (const stream of streams) stream.send(new Uint8Array(RESPONSE_BYTES), true);
  await far.until("streams", () => far.streams.length === 20);
  const received = await settled(() => far.streams.reduce((sum, { bytes }) => sum + bytes, 0));
  const sent = streams.reduce((sum, { id }) => sum + RESPONSE_BYTES - client.peer.codec.pending(id), 0);
  assert.ok(sent - received <= 2_200 * KIB, `${sent - received} bytes in between`);
  for (const stream of far.streams) stream.release();
  await far.until("whole requests", () => far.streams.every(isWhole));
  await far[Symbol.asyncDispose]();
  await near[Symbol.asyncDispose]();
});

function isWhole({ bytes, isEnded }: PeerStream): boolean {
  return isEnded && bytes === RESPONSE_BYTES;
}
