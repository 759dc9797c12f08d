/**
 * A relay between a TLS client and the proxy that spoils what the client sends at a byte of its choice.
 *
 * @module
 */

import net, { type AddressInfo } from "node:net";

/**
 * What happens at that byte:
 *
 * - `fin`, `reset`: the client ends there; `stall`: nothing more comes; `garbage`: 200 bytes of no meaning, then a FIN
 * - `flip`: that byte's bits are turned over, the rest goes on
 * - `alert`: a fatal alert in clear; `record`: application data that nobody has encrypted; `huge`: the head of a record
 *   longer than any may be
 */
export const SPOILINGS = ["fin", "reset", "stall", "garbage", "flip", "alert", "record", "huge"] as const;
/** One of {@linkcode SPOILINGS}. */
export type Spoiling = typeof SPOILINGS[number];

/** What is inserted in place of the rest. */
const INSERTED: Partial<Record<Spoiling, Uint8Array>> = {
  garbage: Uint8Array.from({ length: 200 }, (_, index) => (index * 167 + 13) & 0xff),
  alert: Uint8Array.of(21, 3, 3, 0, 2, 2, 40),
  record: Uint8Array.of(23, 3, 3, 0, 64, ...Array.from({ length: 64 }, (_, index) => (index * 59) & 0xff)),
  huge: Uint8Array.of(23, 3, 3, 0xff, 0xff, 1, 2, 3),
};

/** A relay to `addr` on a free port of 127.0.0.1. Disposal ends it and all that goes through it. */
export interface Mangler extends AsyncDisposable {
  readonly port: number;
  /** How the connections that come from now on are spoiled, after how many bytes of the client's. */
  plan: { readonly spoiling: Spoiling; readonly afterBytes: number };
  /** Is told of every read from a client. */
  onClientBytes: ((count: number) => void) | undefined;
  /** Resolves when the next connection has come, and with it the plan. */
  nextConnection(): Promise<void>;
}

/** Starts a relay. */
export async function startMangler(addr: string): Promise<Mangler> {
  const [host, port] = addr.split(":");
  const sockets = new Set<net.Socket>();
  let arrived = () => {};
  const mangler: Omit<Mangler, "port" | typeof Symbol.asyncDispose> = {
    plan: { spoiling: "fin", afterBytes: 0 },
    onClientBytes: undefined,
    nextConnection: () => new Promise((resolve) => arrived = resolve),
  };
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const proxy = net.connect({ host: host!, port: Number(port), noDelay: true, allowHalfOpen: true });
    sockets.add(proxy);
    proxy.on("close", () => (sockets.delete(proxy), client.destroy()));
    proxy.on("error", () => client.destroy());
    client.on("error", () => proxy.destroy());
    client.on("close", () => proxy.end());
    proxy.on("data", (bytes) => client.write(bytes));
    proxy.on("end", () => (client.destroy(), proxy.end()));
    client.on("data", (bytes) => mangler.onClientBytes?.(bytes.length));
    spoil(client, proxy, mangler.plan);
    arrived();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", 512, resolve));
  return Object.assign(mangler, {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

function spoil(client: net.Socket, proxy: net.Socket, { spoiling, afterBytes }: Mangler["plan"]): void {
  let left = afterBytes;
  let isSpoiled = false;
  client.on("end", () => isSpoiled && spoiling === "stall" || proxy.end());
  client.on("data", (bytes: Uint8Array) => {
    if (isSpoiled && spoiling !== "flip") return;
    if (isSpoiled || bytes.length <= left) {
      left -= bytes.length;
      return void proxy.write(bytes);
    }
    isSpoiled = true;
    const first = bytes.slice(0, left);
    if (spoiling === "flip") {
      const whole = bytes.slice();
      whole[left]! ^= 0xff;
      return void proxy.write(whole);
    }
    if (spoiling === "reset") return void proxy.write(first, () => proxy.resetAndDestroy());
    proxy.write(first);
    const inserted = INSERTED[spoiling];
    if (inserted !== undefined) proxy.write(inserted);
    if (spoiling === "fin" || spoiling === "garbage") proxy.end();
  });
}
