/**
 * Memory of one connection that is free and will soon be wanted again. New memory for content is cleared, counted as
 * external by V8 and collected with the whole heap: that took a third of all CPU of an upload.
 *
 * @module
 */

/** So many of one write each are as much as a window: what waits while others are written, or what streams hold. */
const PIECES_MAX = 16;
/** Smaller ones cost little. */
const PIECE_BYTES_MIN = 8_192;

/** How much is kept. */
export interface SpareLimits {
  /** Larger pieces aren't kept. */
  readonly pieceBytesMax: number;
  /** All pieces together. */
  readonly bytesMax: number;
  /** What may be given for less than half as much: what is held by it beyond its content no budget counts. */
  readonly looseBytesMax: number;
  /** The same for content that may wait for long. */
  readonly heldLooseBytesMax: number;
}

/** Towards a client: those are many, and some don't read. */
export const CLIENT_SPARE: SpareLimits = {
  pieceBytesMax: 524_288,
  bytesMax: 1_572_864,
  looseBytesMax: 65_536,
  heldLooseBytesMax: 0,
};
/** Towards a backend: few connections that carry what all clients send, and all of it when a window opens. */
export const BACKEND_SPARE: SpareLimits = {
  pieceBytesMax: 2_097_152,
  bytesMax: 6_291_456,
  looseBytesMax: 2_097_152,
  heldLooseBytesMax: 2_097_152,
};

/** A few pieces. */
export class SpareMemory {
  readonly #limits: SpareLimits;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;

  /** Nothing is kept yet. */
  constructor(limits: SpareLimits = CLIENT_SPARE) {
    this.#limits = limits;
  }

  /** A piece of at least `wanted` bytes, which is the caller's; absent = there is none that isn't far too large. */
  take(wanted: number): Uint8Array | undefined {
    return this.#take(wanted, Math.max(this.#limits.looseBytesMax, 2 * wanted));
  }

  /** The same for content that may wait for long: many streams of many clients may have such a piece each. */
  takeToHold(wanted: number): Uint8Array | undefined {
    return this.#take(wanted, Math.max(this.#limits.heldLooseBytesMax, 2 * wanted));
  }

  #take(wanted: number, most: number): Uint8Array | undefined {
    const pieces = this.#pieces;
    for (let index = pieces.length - 1; index >= 0; index--) {
      const piece = pieces[index]!;
      if (piece.length < wanted || piece.length > most) continue;
      pieces[index] = pieces[pieces.length - 1]!;
      pieces.length--;
      this.#bytes -= piece.length;
      return piece;
    }
    return undefined;
  }

  /** Takes memory that nobody uses any more, the largest pieces first. */
  give(memory: Uint8Array): void {
    if (memory.length < PIECE_BYTES_MIN || memory.length > this.#limits.pieceBytesMax) return;
    const pieces = this.#pieces;
    while (pieces.length === PIECES_MAX || this.#bytes + memory.length > this.#limits.bytesMax) {
      let smallest = 0;
      for (let index = 1; index < pieces.length; index++) {
        if (pieces[index]!.length < pieces[smallest]!.length) smallest = index;
      }
      if (pieces[smallest]!.length >= memory.length) return;
      this.#bytes -= pieces[smallest]!.length;
      pieces[smallest] = pieces[pieces.length - 1]!;
      pieces.length--;
    }
    pieces.push(memory);
    this.#bytes += memory.length;
  }

  /** Forgets all of it. */
  release(): void {
    this.#pieces.length = 0;
    this.#bytes = 0;
  }
}
