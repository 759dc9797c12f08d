/**
 * A backend whose every byte the test writes: what no well-behaved HTTP implementation would say, at the moment at
 * which the script says it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import net, { type AddressInfo } from "node:net";
import { latin1 } from "../support/client_hello.ts";
import { RawClient } from "../support/raw_client.ts";

/** One connection, on the backend's side. */
export class RawConnection {
  /** All that was read so far and not taken by {@linkcode take}, a character for each byte. */
  rest = "";
  readonly #client: RawClient;

  /** A connection that was accepted. */
  constructor(client: RawClient) {
    this.#client = client;
  }

  /** Reads until `pattern` matches at the beginning of what wasn't taken, and takes it; absent = the end came before. */
  async take(pattern: RegExp): Promise<string | undefined> {
    for (;;) {
      const found = pattern.exec(this.rest);
      if (found !== null && found.index === 0) {
        this.rest = this.rest.slice(found[0].length);
        return found[0];
      }
      const bytes = await this.#client.read();
      if (bytes === null) return undefined;
      this.rest += textOf(bytes);
    }
  }

  /** The next request head, with its empty line; absent = the end came before. */
  head(): Promise<string | undefined> {
    return this.take(/[^]*?\r\n\r\n/);
  }

  /** Reads to the end. @returns all that wasn't taken, and how it ended */
  async toEnd(): Promise<{ text: string; end: "fin" | "reset" }> {
    const { bytes, end } = await this.#client.readToEnd();
    return { text: this.rest + textOf(bytes), end };
  }

  /** Sends text, a byte for each character, or bytes. */
  async send(content: string | Uint8Array): Promise<void> {
    await this.#client.send(typeof content === "string" ? latin1(content) : content);
  }

  /** Sends the FIN. */
  async finish(): Promise<void> {
    await this.#client.finish();
  }

  /** Sends a RST. */
  reset(): void {
    this.#client.reset();
  }
}

/** A running backend. Disposal ends it with all of its connections, and throws what a script threw. */
export interface RawBackend extends AsyncDisposable {
  /** `127.0.0.1:port`, as a route names it. */
  readonly addr: string;
  /** How many connections came. */
  readonly accepted: number;
}

/** Runs `script` on every connection, the first of which has index 0, and closes the connection after it. */
export async function rawBackend(
  script: (connection: RawConnection, index: number) => Promise<void>,
): Promise<RawBackend> {
  const open = new Set<net.Socket>();
  const running = new Set<Promise<void>>();
  const faults: unknown[] = [];
  let isStopped = false;
  let accepted = 0;
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    const run = async (index: number) => {
      using client = new RawClient(socket);
      try {
        await script(new RawConnection(client), index);
      } catch (error) {
        if (!isStopped) faults.push(error);
      }
    };
    const done = run(accepted++).finally(() => running.delete(done));
    running.add(done);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    addr: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get accepted() {
      return accepted;
    },
    [Symbol.asyncDispose]: async () => {
      isStopped = true;
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.resetAndDestroy();
      await Promise.all([closed, ...running]);
      if (faults.length > 0) throw new AggregateError(faults, "a backend's script failed");
    },
  };
}

/** A character for each byte; the decoder of the web's "latin1" is windows-1252. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
