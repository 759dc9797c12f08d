/**
 * Bytes that many may hold together.
 *
 * @module
 */

/** A sum with a bound. */
export class ByteBudget {
  readonly #max: number;
  #held = 0;

  /** Nothing is held. @param bytesMax that may be held together */
  constructor(bytesMax: number) {
    this.#max = bytesMax;
  }

  /** Bytes that are held. */
  get heldBytes(): number {
    return this.#held;
  }

  /**
   * Holds more. Whoever comes when nothing is held gets what it wants: something larger than the bound passes alone.
   *
   * @returns false when there is no room; nothing is held more then
   */
  take(bytes: number): boolean {
    if (this.#held > 0 && this.#held + bytes > this.#max) return false;
    this.#held += bytes;
    return true;
  }

  /** Gives back what was taken. */
  release(bytes: number): void {
    this.#held -= bytes;
  }
}
