/**
 * Connections that have ended, for those who watch, and the last of them for those who ask afterwards.
 *
 * @module
 */

import type { ConnectionEvent } from "../observe/events.ts";
import { type IpAddress, parseIpAddress } from "../policy/ip_address.ts";
import { parseListenAddress } from "../state/listen_address.ts";

/** Connections that are remembered. */
export const REMEMBERED_MAX = 10_000;
/** Events that may wait for one watcher. */
const WAITING_MAX = 1_000;
/** Watchers at once. */
export const WATCHERS_MAX = 64;

/** The client's address in a story. */
export function clientOf({ client }: Pick<ConnectionEvent, "client">): IpAddress | undefined {
  return parseIpAddress(parseListenAddress(client)?.host ?? "");
}

/** One watcher's queue. */
export interface Watch extends AsyncIterable<ConnectionEvent>, Disposable {
  /** Whether events were lost because nobody read them. */
  readonly isLate: boolean;
}

/** Where events go. */
export class ConnectionFeed {
  readonly #watches = new Set<QueuedWatch>();
  readonly #ring: ConnectionEvent[] = [];
  #next = 0;

  /** The last events, oldest first. */
  get remembered(): readonly ConnectionEvent[] {
    return [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
  }

  /** How many watch. */
  get watchers(): number {
    return this.#watches.size;
  }

  /** A connection has ended. */
  add(event: ConnectionEvent): void {
    this.#ring[this.#next] = event;
    this.#next = (this.#next + 1) % REMEMBERED_MAX;
    for (const watch of this.#watches) watch.push(event);
  }

  /**
   * Watches from now on. The iteration ends when the signal is aborted, or after the last event that fitted when the
   * watcher was late.
   */
  watch(matches: (event: ConnectionEvent) => boolean, signal: AbortSignal): Watch {
    const watch = new QueuedWatch(matches, signal, () => this.#watches.delete(watch));
    // One that is over already hears no abort: nothing would remove it.
    if (!signal.aborted) this.#watches.add(watch);
    return watch;
  }
}

class QueuedWatch implements Watch {
  isLate = false;
  readonly #matches: (event: ConnectionEvent) => boolean;
  readonly #onEnd: () => void;
  readonly #queue: ConnectionEvent[] = [];
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(matches: (event: ConnectionEvent) => boolean, signal: AbortSignal, onEnd: () => void) {
    this.#matches = matches;
    this.#onEnd = onEnd;
    this.#isOver = signal.aborted;
    signal.addEventListener("abort", () => this[Symbol.dispose](), { once: true });
  }

  push(event: ConnectionEvent): void {
    if (this.isLate || !this.#matches(event)) return;
    if (this.#queue.length >= WAITING_MAX) this.isLate = true;
    else this.#queue.push(event);
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<ConnectionEvent> {
    for (;;) {
      const event = this.#queue.shift();
      if (event !== undefined) yield event;
      else if (this.#isOver || this.isLate) return;
      else await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#onEnd();
    this.#wake?.();
  }
}
