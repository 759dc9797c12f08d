/**
 * When calls begin: one after the other, a turn of the event loop apart, the next client's each time. A client with a
 * hundred large calls holds up neither the loop nor the call of another client for longer than one of them takes.
 *
 * @module
 */

import { setImmediate } from "node:timers";

/** Gives turns. */
export class CallTurns {
  /** Calls that wait, by client; who comes next stands first. */
  readonly #waiting = new Map<object, (() => void)[]>();
  #isTaken = false;

  /** Waits until a call may begin; not at all when no other has begun in this turn of the loop. @param client whose it is */
  async take(client: object): Promise<void> {
    if (!this.#isTaken) {
      this.#isTaken = true;
      setImmediate(() => this.#next());
      return;
    }
    await new Promise<void>((resolve) => {
      const queue = this.#waiting.get(client);
      if (queue === undefined) this.#waiting.set(client, [resolve]);
      else queue.push(resolve);
    });
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#isTaken = false;
      return;
    }
    const [client, queue] = first;
    this.#waiting.delete(client);
    const begin = queue.shift();
    if (queue.length > 0) this.#waiting.set(client, queue);
    setImmediate(() => this.#next());
    begin?.();
  }
}
