/**
 * Sending more than all buffers on the way hold to somebody who doesn't read.
 *
 * @module
 */

const CHUNK = new Uint8Array(262_144);
/** A write that waits for so long has found every buffer on the way full. */
export const FULL_MS = 500;

/** Sends until nothing is taken any more. The last write is never taken: it fails with the reset. */
export async function fill(send: (bytes: Uint8Array) => Promise<unknown>): Promise<void> {
  for (let isFull = false; !isFull;) {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(true), FULL_MS);
    const taken = send(CHUNK).then(() => false, () => true);
    isFull = await Promise.race([promise, taken]);
    clearTimeout(timer);
  }
}
