/**
 * Timers that go when the test says so: nothing waits, and no load of the machine makes a test fail.
 *
 * @module
 */

interface Timer {
  readonly run: () => void;
  /** Absent = it fires once. */
  readonly everyMs: number | undefined;
  dueMs: number;
}

/** Takes the place of the process's timers until it is disposed of. Its clock begins at 0. */
export class ManualTime implements Disposable {
  /** The clock. */
  nowMs = 0;
  readonly #timers = new Map<number, Timer>();
  readonly #real = {
    setTimeout: globalThis.setTimeout,
    setInterval: globalThis.setInterval,
    clearTimeout: globalThis.clearTimeout,
    clearInterval: globalThis.clearInterval,
  };
  #lastId = 0;

  /** From now on no timer of the process goes by itself. */
  constructor() {
    const start = (everyMs: (ms: number) => number | undefined) => (run: () => void, ms = 0) => {
      this.#timers.set(++this.#lastId, { run, everyMs: everyMs(ms), dueMs: this.nowMs + ms });
      return this.#lastId;
    };
    const clear = (id?: number) => void this.#timers.delete(id ?? 0);
    Object.assign(globalThis, {
      setTimeout: start(() => undefined),
      setInterval: start((ms) => ms),
      clearTimeout: clear,
      clearInterval: clear,
    });
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Lets time pass, firing what becomes due in its order. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(([, { dueMs }]) => dueMs <= endMs)
        .toSorted(([, left], [, right]) => left.dueMs - right.dueMs);
      if (next === undefined) break;
      const [id, timer] = next;
      this.nowMs = Math.max(this.nowMs, timer.dueMs);
      if (timer.everyMs === undefined) this.#timers.delete(id);
      else timer.dueMs = this.nowMs + timer.everyMs;
      timer.run();
    }
    this.nowMs = endMs;
  }

  /** Lets time pass in which the event loop was held up: what became due fires once, at its end. */
  stall(ms: number): void {
    this.nowMs += ms;
    for (const timer of this.#timers.values()) timer.dueMs = Math.max(timer.dueMs, this.nowMs);
    this.advance(0);
  }

  /** Gives the process its timers back. */
  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
  }
}
