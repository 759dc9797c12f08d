/**
 * Whether a listening socket of `node:net` still accepts. When there is no descriptor for a client the runtime says
 * nothing and gives up for good, while the kernel's queue fills (tried with Deno 2.9.6).
 *
 * @module
 */

import { closeDescriptor, duplicateDescriptor, isReadable } from "../net/native.ts";

/** Looks without an accepted client, while some wait, after which the socket has stalled. */
const LOOKS = 2;

/** What a look finds. */
export type AcceptState = "accepting" | "out of descriptors" | "stalled";

/** One listening socket, looked at now and then. */
export class AcceptWatch {
  readonly #fd: number | undefined;
  #looks = 0;
  #isTold = false;

  /** Nothing is known yet. @param fd of the listening socket; absent = it is never found stalled */
  constructor(fd: number | undefined) {
    this.#fd = fd;
  }

  /** Notes that a client was accepted. */
  accepted(): void {
    this.#looks = 0;
    this.#isTold = false;
  }

  /**
   * Looks.
   *
   * @returns `out of descriptors`, said once until it accepts again; `stalled`: clients wait, descriptors are there and
   * nobody is accepted, so the socket must be opened anew
   */
  look(): AcceptState {
    if (this.#fd === undefined || !isReadable(this.#fd)) this.#looks = 0;
    else if (++this.#looks > LOOKS) {
      const free = duplicateDescriptor(this.#fd);
      if (free !== undefined) {
        closeDescriptor(free);
        return "stalled";
      }
      if (!this.#isTold) {
        this.#isTold = true;
        return "out of descriptors";
      }
    }
    return "accepting";
  }
}
