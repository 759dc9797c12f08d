/**
 * Lets everything that one turn of the event loop produced leave in one write a connection.
 *
 * @module
 */

/** Something with output. */
export interface Flushable {
  /** Writes what there is. May mark others, or itself, again. */
  flush(): void;
}

/** The connections of one worker that have something to write. */
export class Flusher {
  readonly #marked: Flushable[] = [];
  #isScheduled = false;

  /** Flushes it at the end of this turn. The caller marks each only once. */
  add(flushable: Flushable): void {
    this.#marked.push(flushable);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const marked = this.#marked;
    for (let index = 0; index < marked.length; index++) marked[index]!.flush();
    marked.length = 0;
    this.#isScheduled = false;
  }
}
