/**
 * Goal: whatever a client sends first gets the answer that its kind deserves, in time, and a hello that is right
 * reaches the backend byte for byte, however it was cut.
 * Method: raw bytes from a raw client, whole, cut, slow or never; what comes back is compared byte for byte, so is
 * what the backend recorded, and the event gives the reason.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Backend, echoBackend } from "../support/backends.ts";
import {
  bytes,
  clientHello,
  clientHelloMessage,
  extension,
  latin1,
  number,
  records,
  serverNameExtension,
  vector,
} from "../support/client_hello.ts";
import { routes } from "../support/config.ts";
import type { LogEvent } from "../support/program.ts";
import type { Proxy } from "../support/proxy.ts";
import { isConnection, serveQuietly } from "../support/quiet.ts";
import { exchange, openClient, type RawClient } from "../support/raw_client.ts";

const SERVER_NAME = "a.test";
const HELLO = clientHello({ serverName: SERVER_NAME });
/** For hellos that come in hundreds of segments to a machine that has other things to do. */
const PATIENT_MS = 60_000;
const TIMEOUT_MS = 1_000;
/** On a machine under load a timer may come this late. */
const LATE_MS = 3_000;

/** The record that carries a fatal alert (RFC 8446 §6). */
function alert(description: number): Uint8Array {
  return Uint8Array.of(0x15, 3, 3, 0, 2, 2, description);
}

interface Refusal {
  readonly name: string;
  readonly sent: Uint8Array;
  readonly reason: string;
  readonly answer: Uint8Array;
}

const NOTHING = new Uint8Array(0);
/** A ClientHello's header that announces more than 16 KiB. */
const TOO_LONG = records(bytes(number(1, 1), number(16_381, 3), new Uint8Array(100)));
const REFUSALS: readonly Refusal[] = [
  ["unknown name", clientHello({ serverName: "b.test" }), "unknown_name", alert(112)],
  ["no name", clientHello(), "no_name", alert(112)],
  ["HTTP", latin1("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"), "not_tls", NOTHING],
  ["SSH", latin1("SSH-2.0-OpenSSH_9.2\r\n"), "not_tls", NOTHING],
  ["a TLS alert first", alert(0), "not_tls", NOTHING],
  ["an SSLv2 hello", Uint8Array.of(0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10), "not_tls", NOTHING],
  ["one byte that isn't TLS", Uint8Array.of(0), "not_tls", NOTHING],
  [
    "a ServerHello",
    records(bytes(number(2, 1), vector(3, new Uint8Array(70)))),
    "hello_malformed",
    alert(50),
  ],
  ["an empty record", Uint8Array.of(22, 3, 1, 0, 0), "hello_malformed", alert(50)],
  ["an IP literal as name", clientHello({ serverName: "127.0.0.1" }), "hello_malformed", alert(50)],
  ["NUL in the name", clientHello({ serverName: "a.test\0.b" }), "hello_malformed", alert(50)],
  ["an empty name", clientHello({ serverName: "" }), "hello_malformed", alert(50)],
  [
    "two server_name extensions",
    clientHello({ serverName: SERVER_NAME, extensions: [serverNameExtension("b.test")] }),
    "hello_malformed",
    alert(50),
  ],
  [
    "another record type amid the hello",
    bytes(records(clientHelloMessage(), 20).subarray(0, 25), Uint8Array.of(23, 3, 3, 0, 1, 0)),
    "hello_malformed",
    alert(50),
  ],
  ["a hello over 16 KiB", TOO_LONG, "hello_too_large", alert(22)],
  ["a record over 16 KiB", Uint8Array.of(22, 3, 1, 0x40, 1, 1), "hello_too_large", alert(22)],
  [
    "a refused hello and 48 KiB more",
    bytes(clientHello({ serverName: "b.test" }), new Uint8Array(49_152)),
    "unknown_name",
    alert(112),
  ],
].map(([name, sent, reason, answer]) => ({ name, sent, reason, answer } as Refusal));

function serve(
  backend: Backend,
  use: (proxy: Proxy) => Promise<void>,
  helloTimeoutMs = TIMEOUT_MS,
): Promise<readonly LogEvent[]> {
  return serveQuietly({
    listeners: [{ routes: routes({ [SERVER_NAME]: backend.addr }) }],
    proxy: { client_hello_timeout: `${helloTimeoutMs}ms`, workers: 1 },
  }, use);
}

Deno.test("a hello that can't be served gets its alert and a FIN, and what isn't TLS gets nothing", async (t) => {
  await using backend = echoBackend();
  await serve(backend, async ({ addr, program }) => {
    for (const { name, sent, reason, answer } of REFUSALS) {
      await t.step(`${name} → ${reason}`, async () => {
        const from = program.events.length;
        assert.deepEqual(await exchange(addr, sent), { bytes: answer, end: "fin" });
        const event = await program.event(isConnection, 10_000, from);
        assert.equal(event["reason"], reason);
        assert.equal(event["bytes_sent"], answer.length);
      });
    }
  });
  assert.equal(backend.connections.length, 0);
});

Deno.test("an alert waits for a client that goes on sending before it reads", async () => {
  await using backend = echoBackend();
  const [event] = await serve(backend, async ({ addr }) => {
    const { hostname, port } = new URL(`tcp://${addr}`);
    using connection = await Deno.connect({ hostname, port: Number(port) });
    await connection.write(clientHello({ serverName: "b.test" }));
    // A proxy that closed at once would answer these with a RST, which overtakes the alert.
    for (let more = 0; more < 4; more++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      await connection.write(new Uint8Array(4_096));
    }
    const buffer = new Uint8Array(64);
    assert.deepEqual(buffer.subarray(0, await connection.read(buffer) ?? 0), alert(112));
    assert.equal(await connection.read(buffer), null);
  });
  assert.equal(event!["reason"], "unknown_name");
});

Deno.test("a client that ends before its hello is whole is told apart from a slow one", async (t) => {
  await using backend = echoBackend();
  await serve(backend, async ({ addr, program }) => {
    const ends: [string, Uint8Array, (client: RawClient) => unknown, string][] = [
      ["no byte and FIN", NOTHING, (client) => client.finish(), "hello_eof"],
      ["half a hello and FIN", HELLO.subarray(0, 60), (client) => client.finish(), "hello_eof"],
      ["half a hello and RST", HELLO.subarray(0, 60), (client) => client.reset(), "client_reset"],
    ];
    for (const [name, sent, end, reason] of ends) {
      await t.step(`${name} → ${reason}`, async () => {
        const from = program.events.length;
        using client = await openClient(addr);
        const { localAddr } = client;
        await client.send(sent);
        // One worker accepts in order: a client that resets while it waits in the queue is nobody's connection.
        await exchange(addr, Uint8Array.of(0));
        await end(client);
        const event = await program.connectionEvent({ client: localAddr }, 10_000, from);
        assert.deepEqual([event["reason"], event["bytes_received"]], [reason, sent.length]);
        if (reason === "hello_eof") {
          assert.deepEqual(await client.readToEnd(), { bytes: NOTHING, end: "fin" });
        }
      });
    }
  });
  assert.equal(backend.connections.length, 0);
});

Deno.test("a slow hello is cut at the deadline, which no byte extends", async (t) => {
  await using backend = echoBackend();
  await serve(backend, async ({ addr, program }) => {
    for (const [name, everyMs] of [["a byte now and then", 60], ["one byte and no more", 60_000]] as const) {
      await t.step(name, async () => {
        const from = program.events.length;
        const startedMs = performance.now();
        using client = await openClient(addr);
        await client.send(HELLO.subarray(0, 1));
        let sent = 1;
        const drip = setInterval(() => {
          client.send(HELLO.subarray(sent, ++sent)).catch(() => clearInterval(drip));
        }, everyMs);
        const { bytes } = await client.readToEnd().finally(() => clearInterval(drip));
        const tookMs = performance.now() - startedMs;
        assert.deepEqual(bytes, NOTHING);
        assert.ok(tookMs >= TIMEOUT_MS - 10 && tookMs < TIMEOUT_MS + LATE_MS, `${tookMs} ms`);
        assert.ok(sent < HELLO.length);
        const event = await program.event(isConnection, 10_000, from);
        assert.equal(event["reason"], "hello_timeout");
      });
    }
  });
  assert.equal(backend.connections.length, 0);
});

Deno.test("the hello's deadline is over when the hello is whole", async () => {
  await using backend = echoBackend();
  const [event] = await serve(backend, async ({ addr }) => {
    using client = await openClient(addr);
    await client.send(HELLO);
    assert.deepEqual(await client.readBytes(HELLO.length), HELLO);
    await new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS + 300));
    await client.send(latin1("still here"));
    assert.deepEqual(await client.readBytes(10), latin1("still here"));
    await client.finish();
    await client.readToEnd();
  });
  assert.equal(event!["reason"], "client_eof");
});

/** As long as a hello with an X25519MLKEM768 key share of 1,216 bytes. */
const POST_QUANTUM = clientHello({
  serverName: SERVER_NAME,
  extensions: [extension(0x33 + 0xa00, new Uint8Array(1_700).fill(7))],
});
const LARGEST = clientHello({ serverName: SERVER_NAME, paddingBytes: 16_000 });

const DELIVERIES: readonly { readonly name: string; readonly pieces: readonly Uint8Array[] }[] = [
  { name: "whole", pieces: [HELLO] },
  { name: "a post-quantum hello in two segments", pieces: cut(POST_QUANTUM, 1_400) },
  { name: "a hello of 16 KiB in segments of 1,400 bytes", pieces: cut(LARGEST, 1_400) },
  {
    name: "a hello of one-byte records",
    pieces: [clientHello({ serverName: SERVER_NAME, recordBytesMax: 1 })],
  },
  {
    name: "records of 100 bytes in segments of 7",
    pieces: cut(clientHello({ serverName: SERVER_NAME, recordBytesMax: 100 }), 7),
  },
  { name: "byte by byte", pieces: cut(HELLO, 1) },
  { name: "with early data behind it", pieces: [bytes(HELLO, new Uint8Array(5_000).fill(9))] },
];

/** Pieces of `size` bytes. */
function cut(whole: Uint8Array, size: number): Uint8Array[] {
  const count = Math.ceil(whole.length / size);
  return Array.from({ length: count }, (_, index) => whole.subarray(index * size, (index + 1) * size));
}

Deno.test("a hello reaches the backend byte for byte, however it was cut", async (t) => {
  await using backend = echoBackend();
  await serve(backend, async ({ addr, program }) => {
    for (const [index, { name, pieces }] of DELIVERIES.entries()) {
      await t.step(name, async () => {
        const from = program.events.length;
        const whole = bytes(...pieces);
        using client = await openClient(addr);
        for (const piece of pieces) {
          await client.send(piece);
          // Lets the segment leave alone: two writes of one turn would travel as one.
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        await client.finish();
        assert.deepEqual(await client.readToEnd(), { bytes: whole, end: "fin" });
        assert.deepEqual((await backend.connection(index)).head, whole);
        const event = await program.event(isConnection, 10_000, from);
        assert.deepEqual([event["reason"], event["bytes_received"], event["bytes_sent"]], [
          "client_eof",
          whole.length,
          whole.length,
        ]);
      });
    }
  }, PATIENT_MS);
});
