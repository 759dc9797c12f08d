/**
 * One piece of work at a time, in the order in which they were asked for.
 *
 * @module
 */

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
