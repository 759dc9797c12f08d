import assert from "node:assert/strict";

import { MESSAGE_BYTES_MAX, SESSION_ANSWER_BYTES_MAX, STREAMS_MAX } from "../../src/admin/call_limits.ts";
import { FrameType } from "../../src/http2/frames.ts";
import { concat, frame } from "../http2/raw_peer.ts";
import { callBlock, callHeaders, greeting, lastMessage, RawGrpc } from "./raw_grpc.ts";
import { Host, PATH, within } from "./session_host.ts";

const INITIAL_WINDOW = 4;

Deno.test("GrpcSession gives a client ten seconds to say its first words", async () => {
  await using host = await Host.start();
  using client = new RawGrpc(host.conn);
  host.tick(1);
  host.tick(10_001);
  assert.equal(client.lines.length, 0);
  host.tick(10_002);
  assert.deepEqual(await client.end(), ["GOAWAY 0 SETTINGS_TIMEOUT"]);
});

Deno.test("GrpcSession gives a client ten seconds to end what it has begun", async () => {
  const half = callBlock(PATH).subarray(0, 5);
  const rows: [name: string, bytes: Uint8Array][] = [
    ["a field block", frame(FrameType.HEADERS, 0, 1, half)],
    ["a frame", frame(FrameType.PING, 0, 0, new Uint8Array(8)).subarray(0, 12)],
  ];
  for (const [name, bytes] of rows) {
    await using host = await Host.start();
    using client = new RawGrpc(host.conn);
    host.nowMs = 1_000;
    await client.send(greeting(), frame(FrameType.PING, 0, 0, new Uint8Array(8)), bytes);
    await client.line(/^PING 0 8 ack|^PING/);
    host.tick(11_000);
    assert.equal(host.isGone, false, name);
    host.tick(11_001);
    await client.end();
    await within(host.gone.promise);
  }
});

Deno.test("GrpcSession ends a connection after five minutes without a call, and one that answers no PING", async () => {
  await using idle = await Host.start();
  using client = new RawGrpc(idle.conn);
  await client.send(greeting(), frame(FrameType.PING, 0, 0, new Uint8Array(8)));
  await client.line(/^PING/);
  idle.tick(300_001);
  assert.equal((await client.end()).at(-1), "GOAWAY 0 NO_ERROR");
  await using silent = await Host.start();
  using other = new RawGrpc(silent.conn);
  await other.send(greeting(), frame(FrameType.PING, 0, 0, new Uint8Array(8)));
  await other.line(/^PING/);
  silent.tick(30_000);
  await other.line(/^PING 0 8$/);
  silent.tick(40_001);
  assert.equal((await other.end()).at(-1), "GOAWAY 0 NO_ERROR");
});

Deno.test("GrpcSession holds 16 MiB of answers for a client that takes none of them", async () => {
  const message = new Uint8Array(MESSAGE_BYTES_MAX);
  let done = 0;
  await using host = await Host.start(async function* () {
    yield message;
    done++;
  });
  using client = new RawGrpc(host.conn);
  const calls = Array.from({ length: STREAMS_MAX }, (_, index) => 2 * index + 1).flatMap((streamId) => [
    callHeaders(streamId, PATH),
    lastMessage(streamId),
  ]);
  await client.send(greeting([INITIAL_WINDOW, 0]), ...calls);
  await client.line(new RegExp(`^HEADERS ${2 * STREAMS_MAX - 1} trailers`));
  const refused = client.lines.filter((line) => /trailers grpc-status 8 /.test(line)).length;
  // What an answer was made of doesn't wait with it.
  assert.equal(done, STREAMS_MAX);
  assert.equal(refused, STREAMS_MAX - SESSION_ANSWER_BYTES_MAX / MESSAGE_BYTES_MAX);
  assert.equal(host.answers.heldBytes, SESSION_ANSWER_BYTES_MAX);
  host.tick(60_001);
  await client.line(/^RST_STREAM 1 CANCEL/);
  assert.equal(host.answers.heldBytes, 0);
});

Deno.test("GrpcSession starts no more than 100 handlers, those of cancelled calls included", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let started = 0;
  // Nothing in it looks whether the call was cancelled.
  await using host = await Host.start(async function* () {
    started++;
    await promise;
    yield new Uint8Array(0);
  });
  using client = new RawGrpc(host.conn);
  const ids = Array.from({ length: STREAMS_MAX }, (_, index) => 2 * index + 1);
  await client.send(greeting(), ...ids.map((streamId) => callHeaders(streamId, PATH)));
  while (started < STREAMS_MAX) await new Promise((resolve) => setTimeout(resolve, 1));
  const last = 2 * STREAMS_MAX + 1;
  const cancels = ids.map((streamId) => frame(FrameType.RST_STREAM, 0, streamId, [0, 0, 0, 8]));
  await client.send(...cancels, callHeaders(last, PATH));
  await client.line(new RegExp(`^HEADERS ${last} 200 .*grpc-status 8 .*end$`));
  await client.line(new RegExp(`^RST_STREAM ${last} NO_ERROR`));
  assert.equal(started, STREAMS_MAX);
  resolve();
});

Deno.test("GrpcSession doesn't read a client that doesn't read it, and doesn't wait for it in the end", async () => {
  await using host = await Host.start();
  await host.conn.write(greeting());
  const part = concat(...Array.from({ length: 1_000 }, (_, index) => callHeaders(2 * index + 1, "/unknown")));
  let [written, streamId] = [0, 1];
  let isStuck = false;
  // Each is answered, and no answer is read: sooner or later nothing more can be written.
  while (!isStuck && written < 64 << 20) {
    const bytes = renumbered(part, streamId);
    streamId += 2_000;
    const stuck = Promise.withResolvers<"stuck">();
    const timer = setTimeout(() => stuck.resolve("stuck"), 3_000);
    const outcome = await Promise.race([writeAll(host.conn, bytes).catch(() => "cut"), stuck.promise]);
    clearTimeout(timer);
    isStuck = outcome === "stuck";
    written += bytes.length;
  }
  assert.ok(isStuck, `${written} bytes of requests were read`);
  // A PING that is not answered ends the connection, whose last words can't leave either.
  host.tick(100_000);
  host.tick(110_001);
  host.tick(115_002);
  await within(host.gone.promise);
  host.conn.close();
});

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<string> {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await conn.write(rest));
  return "written";
}

/** The same frames on streams from `first` on, each its end. */
function renumbered(frames: Uint8Array, first: number): Uint8Array {
  const bytes = frames.slice();
  const view = new DataView(bytes.buffer);
  for (let at = 0, streamId = first; at < bytes.length; streamId += 2) {
    view.setUint8(at + 4, 5);
    view.setUint32(at + 5, streamId);
    at += 9 + (view.getUint32(at) >>> 8);
  }
  return bytes;
}

Deno.test("GrpcSession answers what is no gRPC in HTTP's words, and wants nothing more of it", async () => {
  await using host = await Host.start();
  using client = new RawGrpc(host.conn);
  const json = ["content-type", "application/json"];
  const requests = [
    callBlock(PATH, [], "GET"),
    callBlock(PATH, json),
    callBlock(PATH, ["content-type", "application/grpc-web+proto"]),
    callBlock(PATH, ["content-type", "application/connect+proto", "connect-protocol-version", "1"]),
    callBlock(PATH, []),
    callBlock("/x.Test/Other"),
  ];
  await client.send(
    greeting(),
    ...requests.map((fields, index) => frame(FrameType.HEADERS, 4, 2 * index + 1, fields)),
  );
  await client.line(/^RST_STREAM 11 NO_ERROR/);
  assert.deepEqual(client.lines.filter((line) => line.startsWith("HEADERS")).map((line) => line.slice(8)), [
    "1 405 allow POST end",
    "3 415 accept-post application/grpc end",
    "5 415 accept-post application/grpc end",
    "7 415 accept-post application/grpc end",
    "9 415 accept-post application/grpc end",
    "11 200 content-type application/grpc grpc-status 12 grpc-message there is no such method here end",
  ]);
});

Deno.test("GrpcSession cuts an error that no client would take to its code", async () => {
  await using host = await Host.start(async function* () {}, { error: "x".repeat(100_000) });
  using client = new RawGrpc(host.conn);
  await client.send(greeting(), callHeaders(1, PATH), lastMessage(1));
  const line = await client.line(/^HEADERS 1 trailers/);
  assert.equal(line, "HEADERS 1 trailers grpc-status 5 grpc-message what is wrong takes too long to say end");
});

Deno.test("GrpcSession's calls hold a message of a stream of requests, however long it is", async () => {
  await using host = await Host.start(async function* ({ body }) {
    for await (const _ of body as AsyncIterable<Uint8Array>);
    yield new Uint8Array(5);
  });
  using client = new RawGrpc(host.conn);
  await client.send(greeting(), callHeaders(1, PATH));
  const part = frame(FrameType.DATA, 0, 1, new Uint8Array(16_384));
  // As fast as the windows allow: each WINDOW_UPDATE is as good as what it gives back.
  for (let sent = 0; sent < 12 << 20;) {
    const allowed = client.lines.filter((line) => line.startsWith("WINDOW_UPDATE 1 ")).reduce(
      (sum, line) => sum + Number(line.split(" ")[2]),
      16_384,
    );
    if (sent + 16_384 > allowed) {
      await client.more(client.lines.length);
      continue;
    }
    await client.send(part);
    sent += 16_384;
  }
  assert.ok(host.requests.heldBytes <= MESSAGE_BYTES_MAX, `${host.requests.heldBytes} bytes`);
  await client.send(frame(FrameType.DATA, 1, 1));
  await client.line(/^HEADERS 1 trailers grpc-status 0/);
  assert.equal(host.requests.heldBytes, 0);
});
