/**
 * One piece of work at a time, in the order in which they were asked for.
 *
 * @module
 */

/** A queue for each name: work of the same name doesn't overlap. A name without work isn't remembered. */
export class NamedTurns {
  readonly #queues = new Map<string, { readonly turns: Turns; waiting: number }>();

  /** Does `work` when all that was asked for before under this name is over. @returns and throws what it does */
  async run<Result>(name: string, work: () => Result | Promise<Result>): Promise<Result> {
    const queue = this.#queues.get(name) ?? { turns: new Turns(), waiting: 0 };
    this.#queues.set(name, queue);
    queue.waiting++;
    try {
      return await queue.turns.run(work);
    } finally {
      if (--queue.waiting === 0) this.#queues.delete(name);
    }
  }

  /** Names that have work. */
  get size(): number {
    return this.#queues.size;
  }
}

/** A queue for work that must not overlap. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Does `work` when all that was asked for before is over. @returns and throws what it does */
  run<Result>(work: () => Result | Promise<Result>): Promise<Result> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}
