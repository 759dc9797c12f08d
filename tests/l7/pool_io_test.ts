/** Descriptors of backend connections are lent: whoever is idle longest gives his to who has a request. */
import assert from "node:assert/strict";
import { type Client, Coupling } from "./coupling.ts";

const OK = new TextEncoder().encode("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");

/** An HTTP/1.1 backend that passes over a PROXY header, answers all but `/open`, and notes who is connected. */
class HeaderBackend implements AsyncDisposable {
  /** By the order in which they came. */
  readonly isOpen: boolean[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #serving: Promise<void>[] = [];
  readonly #accepting = this.#accept();

  get port(): number {
    return this.#listener.addr.port;
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      this.#serving.push(this.#serve(conn, this.isOpen.push(true) - 1));
    }
  }

  async #serve(conn: Deno.TcpConn, index: number): Promise<void> {
    using _conn = conn;
    const buffer = new Uint8Array(4_096);
    try {
      for (let count; (count = await conn.read(buffer)) !== null;) {
        const text = new TextDecoder("latin1").decode(buffer.subarray(0, count));
        if (text.includes("GET /") && !text.includes("GET /open")) await conn.write(OK);
      }
    } catch {
      // A RST.
    }
    this.isOpen[index] = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    await Promise.all(this.#serving);
  }
}

async function ask({ peer }: Client, path = "/"): Promise<number> {
  const stream = peer.ask({ path });
  await peer.until("answer", () => stream.isOver);
  return stream.status!;
}

Deno.test("a request takes the descriptor of the connection that is idle longest, whoever's that is", async (t) => {
  for (const sendProxyProtocol of [true, false]) {
    await t.step(sendProxyProtocol ? "clients' own connections" : "shared connections", async () => {
      const far = new HeaderBackend();
      const near = new Coupling({
        port: far.port,
        l7: { backendProtocol: "http/1.1" },
        sendProxyProtocol,
        connectionsMax: 2,
      });
      const clients = Array.from({ length: 3 }, () => near.client("h2"));
      const [first, second, third] = clients as [Client, Client, Client];
      assert.deepEqual([await ask(first), await ask(second), await ask(first)], [200, 200, 200]);
      assert.equal(await ask(third), 200);
      if (sendProxyProtocol) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        assert.deepEqual(far.isOpen, [true, false, true], "the second's was idle longest");
        // It comes again, and the first's is idle longest now.
        assert.equal(await ask(second), 200);
        await new Promise((resolve) => setTimeout(resolve, 50));
        assert.deepEqual(far.isOpen, [false, false, true, true]);
      }
      assert.ok(near.service.backends <= 2);
      const busy = [first, second].map(({ peer }) => peer.ask({ path: "/open" }));
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(await ask(third), 503, "who is busy keeps his");
      assert.deepEqual(busy.map(({ status }) => status), [undefined, undefined]);
      await near[Symbol.asyncDispose]();
      assert.equal(near.service.idle.size, 0);
      await far[Symbol.asyncDispose]();
    });
  }
});
