import assert from "node:assert/strict";
import { ConnTransport } from "../../src/net/conn_transport.ts";
import { Deadlines } from "../../src/net/deadlines.ts";
import { loadNative } from "../../src/net/native.ts";
import { Resetter } from "../../src/net/reset.ts";
import { acceptTls } from "../../src/net/tls_acceptor.ts";
import { TlsTransport } from "../../src/net/tls_transport.ts";
import type { Transport, TransportHandler } from "../../src/net/transport.ts";
import { arrivals } from "../support/arrivals.ts";
import { certified } from "../support/certified.ts";

const MIB = 1_048_576;
loadNative();

/** Sends back what it gets, and its own end after the peer's. */
class Echo implements TransportHandler {
  transport: Transport | undefined;
  isGone = false;
  wasBroken = false;
  bytes = 0;
  readonly #arrivals = arrivals();
  readonly #waiting: Uint8Array[] = [];
  #isEnded = false;

  received(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    this.#waiting.push(bytes.slice());
    this.written();
  }

  receivedEnd(): void {
    this.#isEnded = true;
    this.written();
  }

  written(): void {
    const { transport } = this;
    while (transport!.isReady && this.#waiting.length > 0) transport!.write(this.#waiting.shift()!);
    if (this.#waiting.length > 4) transport!.pause();
    else transport!.resume();
    if (this.#isEnded && this.#waiting.length === 0) transport!.finish();
  }

  disconnected(broken: boolean): void {
    assert.equal(this.isGone, false, "told twice");
    this.isGone = true;
    this.wasBroken = broken;
    this.#arrivals.notify();
  }

  async gone(): Promise<void> {
    await this.#arrivals.until(() => this.isGone || undefined, 5_000);
    assert.ok(this.isGone, "still connected");
  }
}

/** An echo on the server's side of a connection, in clear or TLS, and the client's side of it. */
interface Pair {
  readonly echo: Echo;
  readonly client: Deno.Conn;
  /** Settles when nothing is left on the server's side. */
  readonly released: Promise<void>;
}

type Connect = (tools: { deadlines: Deadlines; resetter: Resetter }) => Promise<Pair>;

async function tcpPair(): Promise<[server: Deno.TcpConn, client: Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return await Promise.all([
    listener.accept(),
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
  ]);
}

const clear: Connect = async (tools) => {
  const [server, client] = await tcpPair();
  const echo = new Echo();
  echo.transport = new ConnTransport(server, echo, tools);
  echo.transport.start();
  return { echo, client, released: Promise.resolve() };
};

/** @param peekedBytes how much of the hello is read before TLS begins */
async function secure(
  { deadlines, resetter }: { deadlines: Deadlines; resetter: Resetter },
  peekedBytes: number,
): Promise<Pair> {
  const { authority, secureContext } = await certified();
  const [server, raw] = await tcpPair();
  const options = { hostname: "app.test", caCerts: [authority.certificate], alpnProtocols: ["h2"] };
  const connecting = Deno.startTls(raw, options).then(async (client) => (await client.handshake(), client));
  const peeked = new Uint8Array(peekedBytes);
  for (let count = 0; count < peekedBytes;) count += (await server.read(peeked.subarray(count)))!;
  const accepting = acceptTls(secureContext, server, peeked)!;
  const outcome = await accepting.outcome;
  assert.ok(outcome.kind === "secure");
  assert.equal(outcome.socket.alpnProtocol, "h2");
  const echo = new Echo();
  echo.transport = new TlsTransport(outcome.socket, echo, { deadlines, reset: () => resetter.reset(server) });
  echo.transport.start();
  const released = accepting.released.then(() => {
    try {
      server.close();
    } catch {
      // It was reset.
    }
  });
  return { echo, client: await connecting, released };
}

const TRANSPORTS: readonly (readonly [string, Connect])[] = [
  ["ConnTransport", clear],
  ["TlsTransport", (tools) => secure(tools, 100)],
];

async function withPair(connect: Connect, use: (pair: Pair) => Promise<void>): Promise<void> {
  using deadlines = new Deadlines();
  const resetter = new Resetter(() => assert.fail("no reset"));
  const pair = await connect({ deadlines, resetter });
  try {
    await use(pair);
    await pair.echo.gone();
    await pair.released;
  } finally {
    resetter.flush();
    pair.client.close();
  }
}

async function readAll(conn: Deno.Conn): Promise<number> {
  const buffer = new Uint8Array(65_536);
  let sum = 0;
  for (let count; (count = await conn.read(buffer)) !== null;) sum += count;
  return sum;
}

for (const [name, connect] of TRANSPORTS) {
  Deno.test(`${name} carries 4 MiB both ways under backpressure, and both ends`, async () => {
    await withPair(connect, async ({ echo, client }) => {
      const reading = readAll(client);
      const part = new Uint8Array(MIB);
      for (let count = 0; count < 4; count++) {
        for (let at = 0; at < part.length;) at += await client.write(part.subarray(at));
      }
      await client.closeWrite();
      assert.equal(await reading, 4 * MIB);
      await echo.gone();
      assert.deepEqual([echo.bytes, echo.wasBroken], [4 * MIB, false]);
    });
  });

  Deno.test(`${name} ends with a RST when it is told to`, async () => {
    await withPair(connect, async ({ echo, client }) => {
      await client.write(Uint8Array.of(1));
      await client.read(new Uint8Array(1));
      echo.transport!.reset();
      await assert.rejects(readAll(client), /reset|eof|close_notify/i);
    });
  });

  Deno.test(`${name} lets the last bytes leave, however long the peer reads nothing, and only then lingers`, async () => {
    await withPair(connect, async ({ echo, client }) => {
      await client.write(Uint8Array.of(1));
      await client.read(new Uint8Array(1));
      echo.transport!.write(new Uint8Array(16 * MIB));
      echo.transport!.finish();
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      assert.equal(await readAll(client), 16 * MIB);
      await client.closeWrite();
      await echo.gone();
    });
  });

  Deno.test(`${name} ends a lingering close when the peer does, or sends without end`, async (t) => {
    await t.step("the peer ends", () =>
      withPair(connect, async ({ echo, client }) => {
        echo.transport!.finish();
        assert.equal(await readAll(client), 0);
        await client.closeWrite();
        await echo.gone();
      }));
    await t.step("the peer sends on", () =>
      withPair(connect, async ({ echo, client }) => {
        echo.transport!.finish();
        const part = new Uint8Array(65_536);
        await assert.rejects(async () => {
          for (;;) await client.write(part);
        });
        await echo.gone();
      }));
  });
}

Deno.test("acceptTls() replays what was peeked, wherever the peek ended", async (t) => {
  for (const peekedBytes of [1, 4, 5, 6, 9, 42, 43, 44, 76, 120, 150]) {
    await t.step(
      `${peekedBytes} bytes`,
      () =>
        withPair((tools) => secure(tools, peekedBytes), async ({ client }) => {
          await client.write(new TextEncoder().encode("ping"));
          const buffer = new Uint8Array(8);
          assert.equal(await client.read(buffer), 4);
          await client.closeWrite();
          assert.equal(await readAll(client), 0);
        }),
    );
  }
});

Deno.test("acceptTls() tells of a hello that nothing fits, of garbage and of a client that leaves", async (t) => {
  const garbage = new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n");
  for (const [name, bytes] of [["garbage", garbage], ["nothing", new Uint8Array(0)]] as const) {
    await t.step(name, async () => {
      const { secureContext } = await certified();
      const [server, client] = await tcpPair();
      const accepting = acceptTls(secureContext, server, bytes)!;
      client.close();
      assert.deepEqual(await accepting.outcome, { kind: "failed", isIncompatible: false });
      await accepting.released;
      server.close();
    });
  }
});

Deno.test("ConnTransport tells what a peer has sent that closed without having read all", async () => {
  using deadlines = new Deadlines();
  const resetter = new Resetter(() => assert.fail("no reset"));
  // Whether the write or the read is told first is the runtime's choice; nearly always it is the write.
  for (let count = 0; count < 20; count++) {
    const [server, client] = await tcpPair();
    const gone = Promise.withResolvers<boolean>();
    let text = "";
    const transport = new ConnTransport(server, {
      received: (bytes) => text += new TextDecoder().decode(bytes),
      receivedEnd() {},
      written() {},
      disconnected: gone.resolve,
    }, { deadlines, resetter });
    transport.start();
    transport.write(new Uint8Array(16));
    await client.read(new Uint8Array(1));
    const answering = client.write(new TextEncoder().encode("too large"));
    client.close();
    transport.write(new Uint8Array(16));
    await answering;
    const wasBroken = await gone.promise;
    assert.deepEqual([text, wasBroken], ["too large", true]);
  }
});
