/** What is announced is what is granted, to the byte, and what peers can make us hold is bounded in both roles. */
import assert from "node:assert/strict";
import { Http2Connection } from "../../src/http2/connection.ts";
import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import { ReceiveBudget } from "../../src/http2/receive_budget.ts";
import { type HttpHandler, NEVER_INDEXED_NONE } from "../../src/wire/http_handler.ts";
import { block, concat, frame, POST, RawPeer, readFrames, settings, uint32 } from "./raw_peer.ts";

const { DATA, HEADERS, SETTINGS, WINDOW_UPDATE } = FrameType;
const OK = { status: 200, fields: [], neverIndexed: NEVER_INDEXED_NONE };

Deno.test("the connection's first window is 65,535 bytes and not one less or more", () => {
  const peer = new RawPeer({ role: "server" });
  peer.send(PREFACE, settings());
  for (const [id, bytes] of [[1, 16_384], [3, 16_384], [5, 16_384], [7, 16_383]] as const) {
    peer.headers(id, POST, 0x4);
    peer.data(id, bytes);
  }
  assert.equal(peer.recorder.isClosed, false);
  peer.data(7, 0, 1);
  assert.equal(peer.recorder.calls.at(-1), "data 7 16383 end", "no content needs no window");
  peer.data(5, 1);
  assert.equal(peer.recorder.error?.detail, "DATA beyond the connection's window");
});

Deno.test("after each WINDOW_UPDATE the peer knows of the whole connection window, never a byte less or more", () => {
  // Four streams of 16,384 bytes and nothing to grow with: the window is their sum.
  const peer = RawPeer.client({ maxConcurrentStreams: 4, maxBufferedBytesPerConnection: 0 });
  let known = 65_535;
  peer.headers(1, POST, 0x4);
  for (let round = 0; round < 200; round++) {
    const length = round % 3 === 0 ? 16_384 : 5_000 + round;
    peer.data(1, length);
    known -= length;
    peer.connection.credit(1, length);
    for (const line of peer.output()) {
      if (!line.startsWith("WINDOW_UPDATE 0 ")) continue;
      known += Number(line.split(" ")[2]);
      assert.equal(known, 65_536, `round ${round}`);
    }
    assert.ok(known > 65_536 * 3 / 4 - 1, `round ${round}: ${known}`);
  }
});

Deno.test("a stream's window is what was announced, to the byte", () => {
  const open = () => {
    const peer = RawPeer.client({ maxBufferedBytesPerConnection: 100 });
    peer.headers(1, POST, 0x4);
    peer.data(1, 16_000);
    peer.connection.credit(1, 5_000);
    assert.deepEqual(peer.output(), ["WINDOW_UPDATE 1 5000"]);
    peer.data(1, 5_384);
    peer.output();
    return peer;
  };
  const exact = open();
  exact.data(1, 0, 1);
  assert.equal(exact.recorder.calls.at(-1), "data 1 21384 end");
  const over = open();
  over.data(1, 1);
  assert.deepEqual(over.output(), ["RST_STREAM 1 FLOW_CONTROL_ERROR"]);
});

/** A proxy between a peer that sends all that it may and one that opens no window. */
class Coupled {
  readonly receiver: Http2Connection;
  readonly sender: Http2Connection;
  readonly #windows = new Map<number, number>();
  #connectionWindow = 65_535;
  #sent = 0;

  /** `receiver`: the side that content comes from. */
  constructor(readonly role: "server" | "client") {
    const none = { response() {}, trailers() {}, reset() {}, goAway() {}, ready() {}, closed: fail };
    const forward =
      (to: () => Http2Connection) => (id: number, bytes: Uint8Array, _flow: number, end: boolean) =>
        to().data(id, bytes, end);
    const idle: HttpHandler = { ...none, request() {}, data() {}, taken() {} };
    const other = role === "server" ? "client" : "server";
    const receiving = { ...idle, data: forward(() => this.sender) };
    this.receiver = new Http2Connection(receiving, { role });
    const sending = { ...idle, taken: (id: number, bytes: number) => this.receiver.credit(id, bytes) };
    this.sender = new Http2Connection(sending, { role: other });
    const start = (to: string) =>
      concat(...(to === "server" ? [PREFACE] : []), settings([4, 0]), frame(SETTINGS, 1, 0));
    this.receiver.receive(start(role), 0);
    this.sender.receive(start(other), 0);
  }

  /** Opens streams on both sides, with the same ids. */
  open(count: number): void {
    for (let id = 1; id < 2 * count; id += 2) {
      const [server, client] = this.role === "server"
        ? [this.receiver, this.sender]
        : [this.sender, this.receiver];
      server.receive(frame(HEADERS, 4, id, block(...POST)), 0);
      const [, method, , scheme, , authority, , path] = POST;
      const head = { method: method!, scheme: scheme!, authority: authority!, path: path! };
      assert.equal(client.request({ ...head, fields: [], neverIndexed: NEVER_INDEXED_NONE }, false), id);
      server.response(id, OK, false);
      if (this.role === "client") client.receive(frame(HEADERS, 4, id, block(":status", "200")), 0);
      this.#windows.set(id, 16_384);
    }
  }

  /** Sends a frame on each stream as far as the windows allow; false when none allowed anything. */
  send(): boolean {
    const before = this.#sent;
    for (const [id, window] of this.#windows) {
      const length = Math.min(16_384, window, this.#connectionWindow);
      if (length <= 0) continue;
      this.receiver.receive(frame(DATA, 0, id, new Uint8Array(length)), 0);
      this.#windows.set(id, window - length);
      this.#connectionWindow -= length;
      this.#sent += length;
      this.#readWindows();
    }
    while (this.sender.hasOutput) this.sender.takeOutput();
    return this.#sent > before;
  }

  #readWindows(): void {
    for (const { type, streamId, payload } of readFrames(this.receiver.takeOutput())) {
      if (type !== WINDOW_UPDATE) continue;
      const bytes = new DataView(payload.slice().buffer).getUint32(0);
      if (streamId === 0) this.#connectionWindow += bytes;
      else this.#windows.set(streamId, this.#windows.get(streamId)! + bytes);
    }
  }
}

function fail(): never {
  throw new Error("a connection ended");
}

Deno.test("zero windows hold no more than the windows that we granted to those who send", async (t) => {
  const { totalBytes } = new ReceiveBudget(1_048_576, 100);
  for (const [name, role] of [["a client's uploads", "server"], ["a backend's answers", "client"]] as const) {
    await t.step(name, () => {
      const pair = new Coupled(role);
      pair.open(100);
      while (pair.send()) continue;
      const held = pair.sender.bufferedBytes;
      assert.ok(held <= totalBytes, `${held} of ${totalBytes}`);
      assert.ok(held >= 100 * 16_384, `${held}: the windows were used`);
      // A window on every stream, then all are credited: the bound holds for what comes after, too.
      for (let id = 1; id < 200; id += 2) {
        pair.sender.receive(frame(WINDOW_UPDATE, 0, id, uint32(1_000)), 0);
      }
      while (pair.send()) continue;
      assert.ok(pair.sender.bufferedBytes <= totalBytes);
    });
  }
});

Deno.test("trailers that wait count until they leave or their stream is reset", () => {
  const leave: ((peer: RawPeer) => void)[] = [
    (peer) => peer.send(frame(WINDOW_UPDATE, 0, 1, uint32(1))),
    (peer) => peer.connection.reset(1, 8),
  ];
  for (const [index, left] of leave.entries()) {
    const peer = RawPeer.client({}, [4, 0]);
    peer.headers(1, POST, 0x5);
    peer.connection.response(1, OK, false);
    peer.output();
    const before = peer.connection.bufferedBytes;
    peer.connection.data(1, new Uint8Array(1), false);
    peer.connection.trailers(1, ["a", "b".repeat(999)]);
    assert.equal(peer.connection.bufferedBytes - before, 1_001);
    left(peer);
    peer.output();
    assert.equal(peer.connection.bufferedBytes, before, String(index));
  }
});
