/**
 * One state that all workers prepare: those that serve when it is asked for, and those that come to serve before it is
 * decided.
 *
 * @module
 */

import type { Preparation } from "../proxy/preparation.ts";
import type { ServedNumbers, WorkerProcess } from "./worker_process.ts";
import type { WorkerSeat } from "./worker_seat.ts";

/** Who has been asked to prepare. */
export class JointPreparation {
  readonly #seats: readonly WorkerSeat[];
  readonly #asked = new Map<WorkerSeat, WorkerProcess>();

  /** Nobody has been asked. @param seats every worker's place */
  constructor(seats: readonly WorkerSeat[]) {
    this.#seats = seats;
  }

  /**
   * Lets every worker prepare.
   *
   * @param decide called in the same turn in which nobody is left who hasn't prepared: who comes later must look first
   * @throws ProxyError unavailable when one can't, and whatever `decide` throws; all answers are in then, for a late one
   * would be taken for the next question's, and who was asked has been told to forget
   */
  async prepare(preparation: Preparation, decide: () => void): Promise<void> {
    try {
      for (let seats = this.#others(); seats.length > 0; seats = this.#others()) {
        for (const seat of seats) this.#asked.set(seat, seat.worker!);
        const prepared = await Promise.allSettled(seats.map((seat) => seat.prepare(preparation)));
        for (const outcome of prepared) if (outcome.status === "rejected") throw outcome.reason;
      }
      decide();
    } catch (error) {
      for (const { worker } of this.#askedSeats()) worker?.send({ type: "abort" });
      throw error;
    }
  }

  /** Lets them serve it. A worker that has ended meanwhile is replaced by one that starts with it. */
  async activate(numbers: ServedNumbers): Promise<void> {
    await Promise.allSettled(this.#askedSeats().map((seat) => seat.activate(numbers)));
  }

  /** Those who serve, or are about to, and have not been asked. */
  #others(): WorkerSeat[] {
    return this.#seats.filter((seat) =>
      seat.worker?.hasJoined === true && this.#asked.get(seat) !== seat.worker
    );
  }

  #askedSeats(): WorkerSeat[] {
    return [...this.#asked].filter(([seat, worker]) => seat.worker === worker).map(([seat]) => seat);
  }
}
