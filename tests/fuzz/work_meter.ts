/**
 * Counts work without a clock: how often V8 ran each block of our own code, and how many bytes went through the
 * built-in functions that look at or copy whole arrays.
 *
 * @module
 */

import { Session } from "node:inspector/promises";

/** What one run did. */
export interface Work {
  /** Runs of blocks (loop bodies, branches, functions) of files under `src/`. */
  readonly blocks: number;
  /** Bytes that `set`, `slice`, `indexOf`, `fill`, `TextDecoder` and `TextEncoder` looked at or copied. */
  readonly bytes: number;
}

interface Coverage {
  result: { url: string; functions: { ranges: { count: number }[] }[] }[];
}

/** Counts what runs between two calls of `take`. Only one at a time; needs every permission. */
export class WorkMeter implements AsyncDisposable {
  readonly #session = new Session();
  readonly #restore: (() => void)[] = [];
  #bytes = 0;

  /** Starts counting. Functions that ran before are counted as one block each. */
  static async start(): Promise<WorkMeter> {
    const meter = new WorkMeter();
    meter.#session.connect();
    await meter.#session.post("Profiler.enable");
    await meter.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    const array = Uint8Array.prototype as unknown as Record<string, Builtin>;
    meter.#count(array, "set", (_self, [source]) => (source as Uint8Array).length);
    meter.#count(array, "slice", (_self, _args, result) => (result as Uint8Array).length);
    meter.#count(array, "fill", (self) => (self as Uint8Array).length);
    meter.#count(array, "indexOf", (self, [, from], result) => {
      const end = result as number;
      return (end < 0 ? (self as Uint8Array).length : end) - Number(from ?? 0);
    });
    const decoder = TextDecoder.prototype as unknown as Record<string, Builtin>;
    meter.#count(decoder, "decode", (_self, _args, result) => (result as string).length);
    const encoder = TextEncoder.prototype as unknown as Record<string, Builtin>;
    meter.#count(encoder, "encodeInto", (_self, [text]) => (text as string).length);
    return meter;
  }

  /** Runs `task` and returns what it did. */
  async measure(task: () => void): Promise<Work> {
    await this.#take();
    this.#bytes = 0;
    task();
    const bytes = this.#bytes;
    return { blocks: await this.#take(), bytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const restore of this.#restore) restore();
    await this.#session.post("Profiler.stopPreciseCoverage");
    this.#session.disconnect();
  }

  async #take(): Promise<number> {
    const { result } = await this.#session.post("Profiler.takePreciseCoverage") as unknown as Coverage;
    let blocks = 0;
    for (const { url, functions } of result) {
      if (!url.includes("/src/")) continue;
      for (const { ranges } of functions) for (const { count } of ranges) blocks += count;
    }
    return blocks;
  }

  #count(
    owner: Record<string, Builtin>,
    name: string,
    bytesOf: (self: unknown, args: readonly unknown[], result: unknown) => number,
  ): void {
    const original = owner[name]!;
    const add = (bytes: number) => this.#bytes += bytes;
    const counted: Builtin = function (this: unknown, ...args) {
      const result = original.apply(this, args);
      add(bytesOf(this, args, result));
      return result;
    };
    Object.defineProperty(owner, name, { value: counted, configurable: true, writable: true });
    this.#restore.push(() =>
      Object.defineProperty(owner, name, { value: original, configurable: true, writable: true })
    );
  }
}

type Builtin = (this: unknown, ...args: unknown[]) => unknown;
