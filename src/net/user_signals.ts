/**
 * The signals that the runtime has made its own.
 *
 * @module
 */

import { ignoreSignal } from "./native.ts";

const USER_SIGNALS = [["SIGUSR1", 10], ["SIGUSR2", 12]] as const;
let areIgnored = false;

/**
 * Ignores SIGUSR1 and SIGUSR2 from now on: the runtime opens its debugger at the first, on a port that every user of
 * the host can reach, and ends by the second. Without libc only the second is ignored. Later calls do nothing.
 */
export function ignoreUserSignals(): void {
  if (areIgnored) return;
  areIgnored = true;
  for (const [name, number] of USER_SIGNALS) {
    // The runtime installs its handler once, a moment after its start: listening makes it do so before this.
    Deno.addSignalListener(name, () => {});
    ignoreSignal(number);
  }
}
