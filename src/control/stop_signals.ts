/**
 * The signals that end the server.
 *
 * @module
 */

const SIGNALS = ["SIGTERM", "SIGINT"] as const;
/** `deno task` and npx deliver one Ctrl-C twice: what comes within this time is the same wish. */
const SAME_MS = 1_000;

/** SIGTERM and SIGINT, from construction to disposal. */
export class StopSignals implements Disposable {
  /** Resolves with the first signal. */
  readonly first: Promise<void>;
  /** Resolves with a signal more than a second after the first. */
  readonly second: Promise<void>;
  readonly #dispose: () => void;

  /**
   * Listens from now on; a signal before it has its default effect.
   *
   * @param now a clock in ms that never goes back; the default is `performance.now`
   */
  constructor(now: () => number = () => performance.now()) {
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    let firstMs: number | undefined;
    const onSignal = () => {
      firstMs ??= now();
      first.resolve();
      if (now() - firstMs > SAME_MS) second.resolve();
    };
    for (const signal of SIGNALS) Deno.addSignalListener(signal, onSignal);
    this.first = first.promise;
    this.second = second.promise;
    this.#dispose = () => {
      for (const signal of SIGNALS) Deno.removeSignalListener(signal, onSignal);
    };
  }

  /** Gives the signals back to the runtime. */
  [Symbol.dispose](): void {
    this.#dispose();
  }
}
