/**
 * Waiting for what nobody announces: the state of other processes and of the kernel's tables.
 *
 * @module
 */

const LOOK_MS = 10;

/** Looks until `look` answers something that isn't undefined or false; rejects with a TimeoutError that says `what`. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadlineMs) {
      throw new DOMException(`not seen in ${timeoutMs} ms: ${what}`, "TimeoutError");
    }
    await pause(LOOK_MS);
  }
}

/** Lets time pass where time itself is what the test is about. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
