import { LASTING_CALLS_MAX } from "../../src/admin/call_limits.ts";
import { FrameType } from "../../src/http2/frames.ts";
import { concat, frame } from "../http2/raw_peer.ts";
import { callHeaders, greeting, lastMessage, RawGrpc } from "./raw_grpc.ts";
import { Host, PATH } from "./session_host.ts";

Deno.test("GrpcSession lets one connection have 16 watches, and another one when one has ended", async () => {
  await using host = await Host.start(({ signal }) => untilAborted(signal!), {
    methodKind: "server_streaming",
  });
  using client = new RawGrpc(host.conn);
  const watch = (streamId: number) => concat(callHeaders(streamId, PATH), lastMessage(streamId));
  const last = 2 * LASTING_CALLS_MAX + 1;
  await client.send(greeting(), ...Array.from({ length: last }, (_, id) => id).filter(isOdd).map(watch));
  await client.send(watch(last));
  await client.line(new RegExp(`^HEADERS ${last} 200 .*grpc-status 8 .*at most 16 watches.*end$`));
  await client.send(frame(FrameType.RST_STREAM, 0, 1, [0, 0, 0, 8]), watch(last + 2));
  await client.line(new RegExp(`^HEADERS ${last + 2} 200 content-type application/grpc$`));
});

async function* untilAborted(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  yield* [];
}

function isOdd(id: number): boolean {
  return id % 2 === 1;
}

Deno.test("GrpcSession ends a stream of requests that is silent for 90 s, and none that goes on", async () => {
  await using host = await Host.start(async function* ({ body }) {
    for await (const _ of body as AsyncIterable<Uint8Array>) yield new Uint8Array(5);
  }, { methodKind: "bidi_streaming" });
  using client = new RawGrpc(host.conn);
  await client.send(greeting(), callHeaders(1, PATH), callHeaders(3, PATH));
  for (const streamId of [1, 3]) await client.line(new RegExp(`^HEADERS ${streamId} 200`));
  host.nowMs = 60_000;
  await client.send(frame(FrameType.DATA, 0, 3, new Uint8Array(5)));
  await client.line(/^DATA 3/);
  host.tick(90_001);
  await client.line(/^RST_STREAM 1 CANCEL/);
  await client.send(frame(FrameType.DATA, 1, 3, new Uint8Array(5)));
  await client.line(/^HEADERS 3 trailers grpc-status 0/);
});
