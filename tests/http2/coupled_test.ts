/**
 * Two of our machines through a network that cuts bytes anywhere, with owners that send, credit and answer
 * whenever they like: never a byte lost, doubled or out of order.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Http2Connection } from "../../src/http2/connection.ts";
import { type HttpHandler, NEVER_INDEXED_NONE } from "../../src/wire/http_handler.ts";

const RUNS = 3_000;

/** Numbers from a seed, so that a run can be repeated (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** What one side must send on one stream, and what it got. */
interface Side {
  readonly total: number;
  sent: number;
  received: number;
  held: number;
  ended: number;
  trailers: number;
}

/** Byte number `index` of a stream's content in one direction. */
function byteAt(streamId: number, index: number): number {
  return (index * 31 + (index >>> 8) * 7 + streamId * 13) & 255;
}

function content(streamId: number, from: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = byteAt(streamId, from + index);
  return bytes;
}

/** One end of the connection with its streams. */
class End implements HttpHandler {
  readonly connection: Http2Connection;
  readonly sides = new Map<number, Side>();
  takenBytes = 0;
  failures: string[] = [];
  readonly #isClient: boolean;
  readonly #answered = new Set<number>();

  constructor(role: "server" | "client", readonly total: () => number) {
    this.#isClient = role === "client";
    const options = {
      maxControlFramesPerSecond: 1e6,
      maxConcurrentStreams: 6,
      maxBufferedBytesPerConnection: 300_000,
    };
    this.connection = new Http2Connection(this, { role, ...options });
  }

  open(streamId: number): void {
    this.sides.set(streamId, { total: this.total(), sent: 0, received: 0, held: 0, ended: 0, trailers: 0 });
  }
  request(streamId: number, _head: unknown, end: boolean): void {
    this.open(streamId);
    if (end) this.sides.get(streamId)!.ended++;
  }
  response(streamId: number, _head: unknown, end: boolean): void {
    if (end) this.sides.get(streamId)!.ended++;
  }
  data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    const side = this.sides.get(streamId)!;
    if (side.ended > 0) this.failures.push("data after the end");
    for (const byte of bytes) {
      if (byte !== byteAt(streamId, side.received++) && this.failures.length === 0) {
        this.failures.push(`byte ${side.received} of stream ${streamId}`);
      }
    }
    side.held += flowBytes;
    if (end) side.ended++;
  }
  trailers(streamId: number, fields: readonly string[]): void {
    const side = this.sides.get(streamId)!;
    side.ended++;
    if (fields.join() !== `x-total,${side.received}`) this.failures.push(`trailers ${fields.join()}`);
  }
  taken(_streamId: number, bytes: number): void {
    this.takenBytes += bytes;
  }
  reset(streamId: number, code: number): void {
    this.failures.push(`reset ${streamId} ${code}`);
  }
  goAway(): void {}
  ready(): void {}
  closed(error?: { detail: string }): void {
    this.failures.push(`closed ${error?.detail}`);
  }

  /** Sends a part of what is due on one stream, or its end. */
  sendSome(streamId: number, random: (below: number) => number): void {
    const side = this.sides.get(streamId)!;
    if (side.sent > side.total) return;
    if (!this.#isClient && !this.#answered.has(streamId)) {
      this.#answered.add(streamId);
      const head = { status: 200, fields: ["c", "d"], neverIndexed: NEVER_INDEXED_NONE };
      this.connection.response(streamId, head, false);
    }
    const left = side.total - side.sent;
    const length = Math.min(left, random(3) === 0 ? random(40_000) : random(300));
    const last = length === left;
    const withTrailers = last && random(2) === 0;
    this.connection.data(streamId, content(streamId, side.sent, length), last && !withTrailers);
    if (withTrailers) this.connection.trailers(streamId, ["x-total", String(side.total)]);
    side.sent += last ? length + 1 : length;
  }

  creditSome(streamId: number, bytes: number): void {
    const side = this.sides.get(streamId)!;
    const count = Math.min(side.held, bytes);
    side.held -= count;
    this.connection.credit(streamId, count);
  }
}

/** One direction of the network: bytes on their way. */
class Wire {
  #bytes = new Uint8Array(0);
  constructor(readonly from: Http2Connection, readonly to: Http2Connection) {}

  move(count: number): void {
    if (this.from.hasOutput) {
      const output = this.from.takeOutput();
      const joined = new Uint8Array(this.#bytes.length + output.length);
      joined.set(this.#bytes);
      joined.set(output, this.#bytes.length);
      this.#bytes = joined;
      // What is given back may be written over; nothing of it may be needed any more.
      output.fill(0xee);
      this.from.giveBack(output);
    }
    const part = this.#bytes.slice(0, count);
    this.#bytes = this.#bytes.subarray(part.length);
    if (part.length > 0) this.to.receive(part, 0);
    part.fill(0);
  }
}

function run(seed: number): void {
  const random = randomFrom(seed);
  const size = () => random(8) === 0 ? random(90_000) : random(2_000);
  const client = new End("client", size);
  const server = new End("server", size);
  const wires = [
    new Wire(client.connection, server.connection),
    new Wire(server.connection, client.connection),
  ];
  const head = {
    method: "POST",
    scheme: "http",
    authority: "a",
    path: "/",
    fields: ["a", "b"],
    neverIndexed: NEVER_INDEXED_NONE,
  };
  const streams = 1 + random(6);
  const step = (action: number) => {
    if (action === 0 && client.sides.size < streams) {
      const id = client.connection.request(head, false);
      if (id !== undefined) client.open(id);
    }
    const end = random(2) === 0 ? client : server;
    const ids = [...end.sides.keys()];
    const id = ids[random(Math.max(1, ids.length))];
    if (action === 1) wires[random(2)]!.move(1 + random(random(2) === 0 ? 30 : 30_000));
    if (id === undefined) return;
    if (action === 2) end.sendSome(id, random);
    if (action === 3) end.creditSome(id, random(30_000));
  };
  for (let index = 0; index < 60; index++) step(random(4));
  for (let quiet = 0; quiet < 3;) {
    const before = progress(client, server);
    for (const action of [0, 1, 2, 3]) step(action);
    for (const end of [client, server]) {
      for (const id of end.sides.keys()) {
        end.sendSome(id, random);
        end.creditSome(id, Infinity);
      }
    }
    for (const wire of wires) wire.move(Infinity);
    quiet = before === progress(client, server) && client.sides.size === streams ? quiet + 1 : 0;
  }
  check(client, server);
  check(server, client);
  for (const end of [client, server]) {
    assert.equal(
      end.takenBytes,
      [...end.sides.values()].reduce((sum, side) => sum + side.total, 0),
      "all taken",
    );
  }
  assert.equal(client.connection.openStreams + server.connection.openStreams, 0);
}

function progress(...ends: End[]): string {
  return ends.map((end) =>
    [...end.sides.values()].map((side) => [side.sent, side.received, side.ended]).join()
  ).join();
}

function check(from: End, to: End): void {
  assert.deepEqual(from.failures, []);
  for (const [id, side] of from.sides) {
    const other = to.sides.get(id)!;
    assert.equal(other.received, side.total, `stream ${id} whole`);
    assert.equal(other.ended, 1, `stream ${id} ended once`);
  }
}

Deno.test(`two machines exchange every byte once and in order, ${RUNS} runs`, () => {
  fc.assert(fc.property(fc.integer(), (seed) => run(seed)), { numRuns: RUNS });
});
