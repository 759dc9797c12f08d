/**
 * Goal: what a client sends to the admin API costs that client its call or its connection, and nobody else anything.
 * Method: the real program; frames made by hand on its Unix socket; garbage and half handshakes on its TLS port; streams
 * through the data plane that never rest beside it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";

import { connectAdmin } from "../../src/admin/client.ts";
import { Flag, FrameType } from "../../src/http2/frames.ts";
import { callBlock, callHeaders, greeting, GRPC_FIELDS, lastMessage, RawGrpc } from "../admin/raw_grpc.ts";
import { concat, frame, settings, uint32 } from "../http2/raw_peer.ts";
import { echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { descriptorCount } from "../support/processes.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { ADMIN_SOCKET, adminOf } from "./admin_api.ts";
import { AdminSite } from "./admin_tls_site.ts";
import { EchoStream, SERVER_NAME } from "./echo_stream.ts";
import { eventually } from "./eventually.ts";

const { HEADERS, CONTINUATION, DATA, PING, RST_STREAM } = FrameType;
const STATUS = "/mc_proxy.v1.ProxyAdminService/GetStatus";
const ADD = "/mc_proxy.v1.ProxyAdminService/AddRoute";
const WATCH = "/mc_proxy.v1.ProxyAdminService/WatchConnections";
const CALM = /^GOAWAY \d+ ENHANCE_YOUR_CALM/;

function times(count: number, make: (index: number) => Uint8Array): Uint8Array {
  return concat(...Array.from({ length: count }, (_, index) => make(index)));
}

function call(path: string, message: ArrayLike<number>, more: readonly string[] = [], flags = 0): Uint8Array {
  return concat(callHeaders(1, path, [...GRPC_FIELDS, ...more]), lastMessage(1, message, flags));
}

/** A length that announces a message, and a little of it, which is the end. */
function announced(bytes: number): Uint8Array {
  return concat(callHeaders(1, STATUS), frame(DATA, Flag.END_STREAM, 1, [0, ...uint32(bytes), 1, 2, 3]));
}

/** One entry of the dynamic table, and 16,000 references to it. */
function hpackBomb(): Uint8Array {
  const name = [0x40, 1, 0x61, 0x7f, 0xa1, 0x1e, ...new Array(4_000).fill(0x62)];
  return frame(HEADERS, 5, 1, Uint8Array.from([...name, ...new Array(12_000).fill(0xbe)]));
}

const bomb = gzipSync(new Uint8Array(64 << 20));

/** What is sent after the greeting, and what must come of it. */
const ROWS: readonly (readonly [name: string, bytes: Uint8Array, outcome: RegExp])[] = [
  [
    "streams reset as fast as they are opened",
    times(
      3_000,
      (index) => concat(callHeaders(2 * index + 1, STATUS), frame(RST_STREAM, 0, 2 * index + 1, uint32(8))),
    ),
    CALM,
  ],
  [
    "CONTINUATION without end",
    concat(
      frame(HEADERS, 0, 1, callBlock(STATUS)),
      times(100, () => frame(CONTINUATION, 0, 1, new Uint8Array(0))),
    ),
    CALM,
  ],
  ["SETTINGS without end", times(3_000, () => settings()), CALM],
  ["PING without end", times(3_000, () => frame(PING, 0, 0, new Uint8Array(8))), CALM],
  ["empty DATA without end", concat(callHeaders(1, WATCH), times(3_000, () => frame(DATA, 0, 1))), CALM],
  ["a small field block that is a large one", hpackBomb(), CALM],
  [
    "large metadata",
    concat(
      frame(HEADERS, 0, 1, callBlock(STATUS, [...GRPC_FIELDS, "x", "y".repeat(20_000)]).subarray(0, 16_384)),
      frame(
        CONTINUATION,
        Flag.END_HEADERS,
        1,
        callBlock(STATUS, [...GRPC_FIELDS, "x", "y".repeat(20_000)]).subarray(16_384),
      ),
    ),
    /^HEADERS 1 431 /,
  ],
  ["a frame of 1 MiB", frame(DATA, 0, 1, new Uint8Array(1 << 20)), /^GOAWAY 0 FRAME_SIZE_ERROR/],
  ["DATA on no stream", frame(DATA, 0, 1, [1]), /^GOAWAY 0 PROTOCOL_ERROR/],
  [
    "more content than the window allows",
    concat(callHeaders(1, STATUS), times(8, () => frame(DATA, 0, 1, new Uint8Array(16_384)))),
    /^(GOAWAY 1|RST_STREAM 1) FLOW_CONTROL_ERROR|^HEADERS 1 trailers grpc-status 8/,
  ],
  [
    "content after the end",
    concat(
      callHeaders(1, WATCH),
      frame(DATA, Flag.END_STREAM, 1, [0, 0, 0, 0, 0]),
      frame(DATA, 0, 1, [1]),
    ),
    /^(RST_STREAM 1|GOAWAY 1) STREAM_CLOSED/,
  ],
  [
    "the 101st stream",
    times(101, (index) => callHeaders(2 * index + 1, STATUS)),
    /^RST_STREAM 201 REFUSED_STREAM/,
  ],
  ["a message that is none", call(ADD, [0xff, 0xff, 0xff]), /grpc-status (3|13) /],
  ["a message that nests without end", call(ADD, nested(5_000)), /grpc-status (3|13) /],
  ["a message that is said to be compressed", call(STATUS, [], [], 1), /grpc-status 13 /],
  [
    "a message in gzip",
    call(STATUS, bomb.subarray(0, 10_000), ["grpc-encoding", "gzip"], 1),
    /grpc-status 12 /,
  ],
  ["a message of 5 MiB that is announced", announced(5 << 20), /grpc-status 8 /],
  ["a message of 4 GiB that is announced", announced(0xffff_ffff), /grpc-status 8 /],
  ["a message without its end", announced(100), /grpc-status (3|13) /],
  [
    "no message",
    concat(callHeaders(1, STATUS), frame(DATA, Flag.END_STREAM, 1)),
    /grpc-status (3|12|13) /,
  ],
  [
    "two messages",
    concat(callHeaders(1, STATUS), frame(DATA, Flag.END_STREAM, 1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
    /grpc-status (3|12|13) /,
  ],
  ["a deadline that is none", call(STATUS, [], ["grpc-timeout", "soon"]), /grpc-status 3 /],
  ["a deadline of a year", call(STATUS, [], ["grpc-timeout", "8760H"]), /grpc-status 3 /],
  [
    "trailers, which are as good as an end",
    concat(
      callHeaders(1, STATUS),
      frame(DATA, 0, 1, [0, 0, 0, 0, 0]),
      frame(HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 1, []),
    ),
    /^HEADERS 1 trailers grpc-status 0 /,
  ],
];

/** Messages in messages: field 1, of a length, so many times. */
function nested(depth: number): Uint8Array {
  let inner: number[] = [];
  for (let level = 0; level < depth && inner.length < 16_000; level++) {
    const { length } = inner;
    inner = length < 128 ? [10, length, ...inner] : [10, length & 127 | 128, length >> 7, ...inner];
  }
  return Uint8Array.from(inner);
}

/** Streams beside which something happens; disposal checks that nothing happened to them. */
async function beside(proxy: Proxy, work: () => Promise<void>): Promise<void> {
  await using streams = new AsyncDisposableStack();
  const open = await Promise.all(Array.from({ length: 8 }, () => EchoStream.open(proxy)));
  for (const stream of open) streams.use(stream!);
  await work();
  const before = open.map((stream) => stream!.rounds);
  await eventually(
    "every stream goes on",
    () => open.every((stream, index) => stream!.rounds > before[index]!),
  );
  assert.deepEqual(open.map((stream) => stream!.end), open.map(() => undefined));
}

Deno.test("hostile frames end a call or a connection, and the data plane feels nothing", async (t) => {
  await using echo = echoBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: [{ hostname: SERVER_NAME, backend: echo.addr }] }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 1 },
  });
  const { folder } = proxy.config;
  await beside(proxy, async () => {
    for (const [name, bytes, outcome] of ROWS) {
      await t.step(name, async () => {
        using client = new RawGrpc(await Deno.connect({ transport: "unix", path: `${folder}/admin.sock` }));
        // The server may end it before all is sent.
        await client.send(greeting(), bytes).catch(() => {});
        await client.line(outcome);
      });
    }
  });
  await using admin = await adminOf(folder);
  const { status } = await admin.api.getStatus({});
  assert.deepEqual([status?.isHealthy, status?.workerRestarts, status?.revision], [true, 0, 1]);
});

Deno.test("what is no HTTP/2 is ended, on every kind of socket", async () => {
  const hello = clientHello({ serverName: "a.test" });
  const text = new TextEncoder();
  const rows = [
    text.encode("GET / HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nconnection: upgrade, http2-settings\r\n\r\n"),
    text.encode(
      "POST /mc_proxy.v1.ProxyAdminService/GetStatus HTTP/1.1\r\ncontent-type: application/json\r\n\r\n{}",
    ),
    hello,
    crypto.getRandomValues(new Uint8Array(5_000)),
    frame(FrameType.SETTINGS, 0, 0),
  ];
  await using site = await AdminSite.start("mutual");
  await using proxy = await startProxy({
    listeners: [{ routes: [{ hostname: SERVER_NAME, backend: "127.0.0.1:1" }] }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 1 },
  });
  const [hostname, port] = site.addr.split(":");
  for (const bytes of rows) {
    for (const isUnix of [true, false]) {
      const conn = isUnix
        ? await Deno.connect({ transport: "unix", path: `${proxy.config.folder}/admin.sock` })
        : await Deno.connect({ hostname: hostname!, port: Number(port) });
      await conn.write(bytes).catch(() => {});
      // A hello is answered by TLS, and waits.
      if (bytes !== hello || isUnix) {
        for (const buffer = new Uint8Array(1_024); await conn.read(buffer).catch(() => null) !== null;);
      }
      conn.close();
    }
  }
});

Deno.test("garbage and silence by the thousand on the admin port disturb neither clients nor streams", async () => {
  await using echo = echoBackend();
  await using site = await AdminSite.start("mutual", {}, { hostname: SERVER_NAME, backend: echo.addr });
  const { pid } = site.proxy.program;
  const [hostname, port] = site.addr.split(":");
  const hello = clientHello({ serverName: "a.test" });
  const garbage = crypto.getRandomValues(new Uint8Array(300));
  const client = await site.write("ops", await site.clients.issue({ names: ["ops.test"], usage: "client" }));
  const { folder } = site.files;
  await beside(site.proxy, async () => {
    const before = descriptorCount(pid);
    const flood = Array.from({ length: 16 }, async (_, index) => {
      for (let count = 0; count < 60; count++) {
        const conn = await Deno.connect({ hostname: hostname!, port: Number(port) });
        await conn.write([garbage, hello, hello.subarray(0, 50)][(index + count) % 3]!).catch(() => {});
        if ((index + count) % 3 === 0) await conn.read(new Uint8Array(10)).catch(() => null);
        conn.close();
      }
    });
    let isOver = false;
    const flooding = Promise.all(flood).finally(() => isOver = true);
    let answered = 0;
    while (!isOver) {
      await using admin = await connectAdmin({
        addr: site.addr,
        tlsCert: `${folder}/server.crt`,
        serverCa: `${folder}/server_ca.crt`,
        clientCert: client.certificate,
        clientKey: client.key,
      });
      const { status } = await admin.api.getStatus({});
      assert.deepEqual([status?.isHealthy, status?.workerRestarts], [true, 0]);
      answered++;
    }
    await flooding;
    assert.ok(answered > 0);
    await eventually("no descriptor is left", () => descriptorCount(pid) <= before + 2);
  });
  const told = site.proxy.program.events.filter(({ event }) => event === "admin_refused");
  assert.ok(told.length > 0 && told.length < 100, `${told.length} lines`);
});
