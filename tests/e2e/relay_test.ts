/**
 * Goal: what one side sends the other gets, whole and unaltered, and each side's end arrives as what it is: a FIN as a
 * FIN that leaves the other direction alone, a RST as a RST.
 * Method: one program before backends that end, trickle, stall and reset; both ends compare what they saw, and the
 * event tells who ended it and counts the bytes.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  answerBackend,
  echoBackend,
  silentBackend,
  sinkBackend,
  sourceBackend,
} from "../support/backends.ts";
import { bytes, clientHello, latin1 } from "../support/client_hello.ts";
import type { LogEvent } from "../support/program.ts";
import type { Proxy } from "../support/proxy.ts";
import { fillPattern, patternSha256 } from "../support/pattern.ts";
import { anonymousKib } from "../support/processes.ts";
import { serveQuietly } from "../support/quiet.ts";
import { openClient, type RawClient } from "../support/raw_client.ts";
import { readToFin, scriptedBackend, writeWhole } from "../support/scripted_backend.ts";

const HELLO = clientHello({ serverName: "a.test" });
const MIB = 1_048_576;
const HALF_CLOSED_MS = 600;

/** Serves `a.test` from `backend`; returns the only event. */
async function serve(
  backend: { readonly addr: string },
  use: (client: RawClient, proxy: Proxy) => Promise<void>,
): Promise<LogEvent> {
  const events = await serveQuietly({
    listeners: [{ routes: [{ hostname: "a.test", backend: backend.addr }] }],
    proxy: { half_closed_timeout: `${HALF_CLOSED_MS}ms`, workers: 1 },
  }, async (proxy) => {
    using client = await openClient(proxy.addr);
    await client.send(HELLO);
    await use(client, proxy);
    await proxy.program.connectionEvent();
  });
  assert.equal(events.length, 1);
  return events[0]!;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function checkEvent(event: LogEvent, reason: string, received: number, sent: number): void {
  const { bytes_received, bytes_sent } = event;
  assert.deepEqual({ reason: event["reason"], bytes_received, bytes_sent }, {
    reason,
    bytes_received: received,
    bytes_sent: sent,
  });
}

Deno.test("a client's FIN reaches the backend, whose answer still arrives", async () => {
  await using backend = sinkBackend();
  const event = await serve(backend, async (client) => {
    await client.sendPattern(MIB);
    await client.finish();
    const { bytes, end } = await client.readToEnd();
    assert.match(new TextDecoder().decode(bytes), new RegExp(`^[0-9a-f]{64} ${MIB + HELLO.length}\n$`));
    assert.equal(end, "fin");
  });
  checkEvent(event, "client_eof", MIB + HELLO.length, 64 + 1 + `${MIB + HELLO.length}`.length + 1);
});

Deno.test("a client that ends first gets all that the backend goes on sending", async () => {
  await using backend = sourceBackend(16 * MIB);
  const event = await serve(backend, async (client) => {
    await client.finish();
    assert.deepEqual(await client.digestToEnd(), {
      bytes: 16 * MIB,
      sha256: patternSha256(16 * MIB),
      end: "fin",
    });
    assert.equal(await (await backend.connection(0)).ended, "fin");
  });
  checkEvent(event, "client_eof", HELLO.length, 16 * MIB);
});

Deno.test("a backend that ends first gets all that the client goes on sending", async () => {
  await using backend = answerBackend("done");
  const event = await serve(backend, async (client) => {
    assert.deepEqual(await client.readToEnd(), { bytes: latin1("done"), end: "fin" });
    await client.sendPattern(16 * MIB);
    await client.finish();
    const connection = await backend.connection(0);
    assert.equal(await connection.ended, "fin");
    assert.equal(connection.bytesReceived, HELLO.length + 16 * MIB);
  });
  checkEvent(event, "backend_eof", HELLO.length + 16 * MIB, 4);
});

Deno.test("a connection is closed when one side has finished and the other is silent for the limit", async (t) => {
  await t.step("the client finished", async () => {
    const held = Promise.withResolvers<void>();
    await using backend = scriptedBackend(async (connection) => {
      await readToFin(connection);
      await held.promise;
    });
    const event = await serve(backend, async (client) => {
      await client.finish();
      assert.deepEqual(await client.readToEnd(), { bytes: new Uint8Array(), end: "fin" });
    });
    held.resolve();
    checkEvent(event, "half_closed_idle", HELLO.length, 0);
    assert.ok(Number(event["total_ms"]) >= HALF_CLOSED_MS);
  });
  await t.step("the backend finished", async () => {
    await using backend = answerBackend("done");
    const event = await serve(backend, async (client) => {
      assert.deepEqual(await client.readToEnd(), { bytes: latin1("done"), end: "fin" });
      assert.equal(await (await backend.connection(0)).ended, "fin");
    });
    checkEvent(event, "half_closed_idle", HELLO.length, 4);
    assert.ok(Number(event["total_ms"]) >= HALF_CLOSED_MS);
  });
});

Deno.test("a half-closed connection goes on while bytes come", async () => {
  const drips = 12;
  await using backend = scriptedBackend(async (connection) => {
    await readToFin(connection);
    for (let drip = 0; drip < drips; drip++) {
      await pause(HALF_CLOSED_MS / 6);
      await writeWhole(connection, latin1("."));
    }
  });
  const event = await serve(backend, async (client) => {
    await client.finish();
    assert.deepEqual(await client.readToEnd(), { bytes: latin1(".".repeat(drips)), end: "fin" });
  });
  checkEvent(event, "client_eof", HELLO.length, drips);
  assert.ok(Number(event["total_ms"]) > HALF_CLOSED_MS * 1.5);
});

Deno.test("256 MiB pass each way at once in one connection, unaltered", async () => {
  const count = 256 * MIB;
  await using backend = echoBackend();
  const event = await serve(backend, async (client) => {
    assert.deepEqual(await client.readBytes(HELLO.length), HELLO);
    const [digest] = await Promise.all([
      client.digestToEnd(120_000),
      client.sendPattern(count).then(() => client.finish()),
    ]);
    assert.deepEqual(digest, { bytes: count, sha256: patternSha256(count), end: "fin" });
  });
  checkEvent(event, "client_eof", HELLO.length + count, HELLO.length + count);
});

Deno.test("a client's RST reaches the backend as a RST", async () => {
  await using backend = silentBackend();
  const event = await serve(backend, async (client) => {
    const connection = await backend.connection(0);
    client.reset();
    assert.equal(await connection.ended, "reset");
  });
  checkEvent(event, "client_reset", HELLO.length, 0);
});

Deno.test("a RST that comes when the other side has finished is passed on", async () => {
  await using backend = answerBackend("done");
  const event = await serve(backend, async (client) => {
    assert.equal((await client.readToEnd()).end, "fin");
    client.reset();
    assert.equal(await (await backend.connection(0)).ended, "reset");
  });
  checkEvent(event, "client_reset", HELLO.length, 4);
});

/** More than four sockets' kernel buffers hold (tcp(7): 6 MiB to receive, 4 MiB to send) and the proxy's own. */
const STALL_BYTES_MAX = 32 * MIB;
const STREAM_BYTES = 96 * MIB;
const WORKER_KIB_MAX = 24 * 1_024;

/** Sends the pattern by `write`, and tells how far it is. */
class Flow {
  sent = 0;
  readonly done: Promise<void>;

  constructor(write: (bytes: Uint8Array) => Promise<unknown>) {
    this.done = this.#run(write);
  }

  async #run(write: (bytes: Uint8Array) => Promise<unknown>): Promise<void> {
    while (this.sent < STREAM_BYTES) {
      const chunk = new Uint8Array(65_536);
      fillPattern(chunk, this.sent);
      await write(chunk);
      this.sent += chunk.length;
    }
  }

  /** Waits until nothing has moved for half a second. */
  async stalled(): Promise<void> {
    for (let before = -1; before !== this.sent || this.sent === 0;) {
      before = this.sent;
      await pause(500);
    }
  }
}

Deno.test("a slow reader holds its sender up and costs the proxy no memory", async (t) => {
  const check = async (flow: Flow, { program }: Proxy, beforeKib: number) => {
    await flow.stalled();
    assert.ok(flow.sent < STALL_BYTES_MAX, `${flow.sent} bytes are held`);
    const grownKib = anonymousKib(program.workers()[0]!) - beforeKib;
    assert.ok(grownKib < WORKER_KIB_MAX, `the worker has grown by ${grownKib} KiB`);
  };
  await t.step("a slow client", async () => {
    const flow = Promise.withResolvers<Flow>();
    await using backend = scriptedBackend(async (connection) => {
      const sending = new Flow((bytes) => writeWhole(connection, bytes));
      flow.resolve(sending);
      await sending.done;
      await connection.closeWrite();
      await readToFin(connection);
    });
    await serve(backend, async (client, proxy) => {
      const beforeKib = anonymousKib(proxy.program.workers()[0]!);
      await check(await flow.promise, proxy, beforeKib);
      const wanted = { bytes: STREAM_BYTES, sha256: patternSha256(STREAM_BYTES), end: "fin" };
      assert.deepEqual(await client.digestToEnd(60_000), wanted);
      await client.finish();
    });
  });
  await t.step("a slow backend", async () => {
    const held = Promise.withResolvers<void>();
    await using backend = scriptedBackend(async (connection) => {
      await held.promise;
      await readToFin(connection);
    });
    const event = await serve(backend, async (client, proxy) => {
      const beforeKib = anonymousKib(proxy.program.workers()[0]!);
      const flow = new Flow((bytes) => client.send(bytes));
      await check(flow, proxy, beforeKib);
      held.resolve();
      await flow.done;
      await client.finish();
      assert.equal((await client.readToEnd()).end, "fin");
    });
    checkEvent(event, "client_eof", HELLO.length + STREAM_BYTES, 0);
  });
});

const ROUNDS = 100;
/** With Nagle's algorithm against delayed acknowledgements each round takes 40 ms more. */
const ROUNDS_MS_MAX = ROUNDS * 30;

Deno.test("small writes that wait for no answer are passed on without delay", async () => {
  await using backend = scriptedBackend(async (connection) => {
    connection.setNoDelay(true);
    const buffer = new Uint8Array(HELLO.length);
    for (let got = 0; got < HELLO.length;) got += await connection.read(buffer) ?? HELLO.length;
    for (let round = 0; round < ROUNDS; round++) {
      for (let got = 0; got < 2;) got += await connection.read(buffer) ?? 2;
      await writeWhole(connection, latin1("a"));
      await pause(1);
      await writeWhole(connection, latin1("b"));
    }
  });
  await serve(backend, async (client) => {
    const startedMs = performance.now();
    for (let round = 0; round < ROUNDS; round++) {
      await client.send(latin1("a"));
      await pause(1);
      await client.send(latin1("b"));
      assert.deepEqual(await client.readBytes(2), latin1("ab"));
    }
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < ROUNDS_MS_MAX, `${tookMs} ms`);
    await client.finish();
  });
});

Deno.test("two hundred connections at once never see each other's bytes", async () => {
  const connections = 200;
  await using backend = echoBackend();
  const events = await serveQuietly(
    { listeners: [{ routes: [{ hostname: "a.test", backend: backend.addr }] }] },
    async ({ addr }) => {
      await Promise.all(Array.from({ length: connections }, async (_, index) => {
        using client = await openClient(addr);
        const sent = bytes(HELLO, latin1(`${index} `.repeat(2_000 + index)));
        await client.send(sent);
        await client.finish();
        assert.deepEqual(await client.readToEnd(), { bytes: sent, end: "fin" });
      }));
    },
  );
  assert.equal(events.length, connections);
  assert.deepEqual(new Set(events.map(({ reason }) => reason)), new Set(["client_eof"]));
});
