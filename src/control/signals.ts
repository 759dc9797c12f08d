/**
 * The signals that the server obeys.
 *
 * @module
 */

import { loadNative } from "../net/native.ts";
import { ignoreUserSignals } from "../net/user_signals.ts";

const STOP_SIGNALS = ["SIGTERM", "SIGINT"] as const;
/** `deno task` and npx deliver one Ctrl-C twice: what comes within this time is the same wish. */
const SAME_MS = 1_000;

/**
 * SIGTERM, SIGINT and SIGHUP, from construction to disposal: none of them has its default effect meanwhile. SIGUSR1 and
 * SIGUSR2 are ignored for good.
 */
export class Signals implements Disposable {
  /** Resolves with the first stop signal. */
  readonly stop: Promise<void>;
  /** Resolves with a stop signal more than a second after the first. */
  readonly secondStop: Promise<void>;
  /** Called for each SIGHUP; does nothing until somebody sets it, during the start and while stopping. */
  onHangup: () => void = ignore;
  readonly #dispose: () => void;
  #isStopping = false;

  /**
   * Listens from now on.
   *
   * @param now a clock in ms that never goes back; the default is `performance.now`
   */
  constructor(now: () => number = () => performance.now()) {
    const stop = Promise.withResolvers<void>();
    const secondStop = Promise.withResolvers<void>();
    let firstMs: number | undefined;
    const onStop = () => {
      firstMs ??= now();
      this.#isStopping = true;
      stop.resolve();
      if (now() - firstMs > SAME_MS) secondStop.resolve();
    };
    const onHangup = () => this.onHangup();
    loadNative();
    ignoreUserSignals();
    for (const signal of STOP_SIGNALS) Deno.addSignalListener(signal, onStop);
    Deno.addSignalListener("SIGHUP", onHangup);
    this.stop = stop.promise;
    this.secondStop = secondStop.promise;
    this.#dispose = () => {
      for (const signal of STOP_SIGNALS) Deno.removeSignalListener(signal, onStop);
      Deno.removeSignalListener("SIGHUP", onHangup);
    };
  }

  /** Whether a stop signal has come. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Gives the signals their default effect back. */
  [Symbol.dispose](): void {
    this.#dispose();
  }
}

function ignore(): void {}
