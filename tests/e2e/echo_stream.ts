/**
 * Streams that never rest: each sends a block through the proxy to an echo backend, waits until it has come back
 * whole, and begins again, until it is told to stop or the proxy ends it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { clientHello } from "../support/client_hello.ts";
import { fillPattern } from "../support/pattern.ts";
import { descriptors } from "../support/processes.ts";
import type { Proxy } from "../support/proxy.ts";
import { openClient, type RawClient, type StreamEnd } from "../support/raw_client.ts";
import { pause } from "./eventually.ts";

/** The name that these streams ask for. */
export const SERVER_NAME = "stream.test";

const BLOCK_BYTES = 2_048;
/** So that a dozen streams leave the machine to others. */
const REST_MS = 20;

/** One stream. Disposal closes it. */
export class EchoStream implements AsyncDisposable {
  /** Blocks that came back whole. */
  rounds = 0;
  readonly #client: RawClient;
  readonly #running: Promise<void>;
  #stopping = false;

  private constructor(client: RawClient) {
    this.#client = client;
    this.#running = this.#run();
    // Awaited in `stop`; a failure before that is no unhandled one.
    this.#running.catch(() => {});
  }

  /** Opens a stream, its hello echoed; `undefined` when the proxy refused it with a RST. */
  static async open(proxy: Pick<Proxy, "addr">, addr = proxy.addr): Promise<EchoStream | undefined> {
    const client = await openClient(addr).catch(refusal);
    if (client === undefined) return undefined;
    const hello = clientHello({ serverName: SERVER_NAME });
    try {
      await client.send(hello);
      assert.deepEqual(await client.readBytes(hello.length), hello);
    } catch (error) {
      const { end } = await client.readToEnd();
      client[Symbol.dispose]();
      if (end === "reset") return undefined;
      throw error;
    }
    return new EchoStream(client);
  }

  /** The client's address, as the proxy sees it. */
  get clientAddr(): string {
    return this.#client.localAddr;
  }

  /** How the proxy ended it; undefined while it runs. */
  get end(): StreamEnd | undefined {
    return this.#client.end;
  }

  /** Finishes the block on its way and closes with FIN both ways. Rejects when the stream was cut before. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    await this.#client.finish();
    const { bytes, end } = await this.#client.readToEnd();
    this.#client[Symbol.dispose]();
    assert.deepEqual([bytes.length, end], [0, "fin"]);
  }

  /** Waits until the proxy has ended it. */
  async cut(timeoutMs = 15_000): Promise<StreamEnd> {
    // The end is seen by reading alone, and a write that fails ends the rounds before it.
    const late = Promise.withResolvers<void>();
    const error = new DOMException("the stream runs on", "TimeoutError");
    const timer = setTimeout(() => late.reject(error), timeoutMs);
    await Promise.race([this.#running.catch(() => {}), late.promise]).finally(() => clearTimeout(timer));
    return (await this.#client.readToEnd()).end;
  }

  /** Waits for one more block to come back. */
  async turns(): Promise<void> {
    const before = this.rounds;
    while (this.rounds === before) {
      await Promise.race([this.#running, pause(REST_MS)]);
      assert.equal(this.end, undefined, "the stream was cut");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => {});
    this.#client[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    const block = new Uint8Array(BLOCK_BYTES);
    while (!this.#stopping) {
      fillPattern(block, this.rounds * BLOCK_BYTES);
      await this.#client.send(block);
      assert.deepEqual(await this.#client.readBytes(BLOCK_BYTES), block);
      this.rounds++;
      await pause(REST_MS);
    }
  }
}

/** Streams that go together. Disposal closes all. */
export class EchoStreams implements AsyncDisposable {
  /** In the order in which they were opened. */
  readonly all: EchoStream[] = [];
  readonly #proxy: Proxy;
  /** Process ids of the workers that carry them. */
  readonly #workers = new Map<EchoStream, number>();

  private constructor(proxy: Proxy) {
    this.#proxy = proxy;
  }

  /** Opens streams until every worker carries at least `eachMin`. */
  static async open(proxy: Proxy, eachMin: number): Promise<EchoStreams> {
    const streams = new EchoStreams(proxy);
    const workers = proxy.program.workers();
    do {
      for (let count = 0; count < eachMin * workers.length; count++) {
        const stream = await EchoStream.open(proxy);
        assert.ok(stream !== undefined, "a stream was refused");
        streams.all.push(stream);
      }
    } while (workers.some((pid) => streams.of(pid).length < eachMin));
    return streams;
  }

  /** Opens streams until the proxy refuses one; at most `max`. */
  static async fill(proxy: Proxy, max = 1_000): Promise<EchoStreams> {
    const streams = new EchoStreams(proxy);
    while (streams.all.length < max) {
      const stream = await EchoStream.open(proxy);
      if (stream === undefined) break;
      streams.all.push(stream);
    }
    return streams;
  }

  /** How many there are. */
  get count(): number {
    return this.all.length;
  }

  /** Those that a worker carries. Asked first while all of them run. */
  of(worker: number): EchoStream[] {
    this.#findWorkers();
    return this.all.filter((stream) => this.#workers.get(stream) === worker);
  }

  /** By the kernel's table of sockets (proc(5)), read once for all: on a busy machine it is long. */
  #findWorkers(): void {
    const unknown = this.all.filter((stream) => !this.#workers.has(stream));
    if (unknown.length === 0) return;
    const byRemote = new Map(unknown.map((stream) => [tableAddress(stream.clientAddr), stream]));
    const workers = new Map<string, number>();
    for (const pid of this.#proxy.program.workers()) {
      for (const target of descriptors(pid).values()) workers.set(target, pid);
    }
    for (const line of Deno.readTextFileSync("/proc/net/tcp").split("\n").slice(1)) {
      const [, , remote, , , , , , , inode] = line.trim().split(/\s+/);
      const stream = byRemote.get(remote ?? "");
      const worker = workers.get(`socket:[${inode}]`);
      if (stream !== undefined && worker !== undefined) this.#workers.set(stream, worker);
    }
    assert.ok(this.all.every((stream) => this.#workers.has(stream)), "a stream that no worker carries");
  }

  /** Stops all; rejects when one was cut. */
  async stop(): Promise<void> {
    await Promise.all(this.all.map((stream) => stream.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((stream) => stream[Symbol.asyncDispose]()));
  }
}

/** A RST can be here before `connect` has told of the connection. */
function refusal(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ECONNRESET") return undefined;
  throw error;
}

/** An IPv4 address and port as /proc/net/tcp writes them: the address's bytes from last to first. */
function tableAddress(addr: string): string {
  const [host, port] = addr.split(":");
  const bytes = host!.split(".").reverse().map((byte) => Number(byte).toString(16).padStart(2, "0"));
  return `${bytes.join("")}:${Number(port).toString(16).padStart(4, "0")}`.toUpperCase();
}
