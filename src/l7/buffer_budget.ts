/**
 * What all clients of one worker together may have it hold.
 *
 * @module
 */

/**
 * Bytes that clients may have one worker hold: a quarter of what its heap may come to. They lie beside the heap, in
 * buffers up to half as large again as what is in them.
 */
export const BUFFERED_BYTES_MAX = 128 * 1_024 * 1_024;
/** Of the budget, from which on windows don't grow and who holds much gets no new requests served. */
const TIGHT_SHARE = 3 / 4;
/** Who has more than this held for him gets no further request served while the budget is tight. */
const TIGHT_BYTES_MAX = 65_536;
/** Of the budget, down to which the largest holders are ended when it is overrun. */
const RELIEVED_SHARE = 7 / 8;

/** A client connection as the budget sees it. */
export interface BufferHolder {
  /** Bytes that the budget has counted for it. The budget alone writes it. */
  countedBytes: number;
  /** Ends it, for others' sake: what it holds goes. */
  shed(): void;
}

/** The sum over all clients of a worker. */
export class BufferBudget {
  readonly #bytesMax: number;
  readonly #holders = new Set<BufferHolder>();
  #bytes = 0;

  /** Nothing is held yet. @param bytesMax default {@linkcode BUFFERED_BYTES_MAX} */
  constructor(bytesMax: number = BUFFERED_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether so much is held that nobody shall get more than he has. */
  get isTight(): boolean {
    return this.#bytes > this.#bytesMax * TIGHT_SHARE;
  }

  /** Whether a further request of that client would be too much. */
  refusesMoreTo(holder: BufferHolder): boolean {
    return holder.countedBytes > TIGHT_BYTES_MAX && this.isTight;
  }

  /** A client has come, and holds nothing yet. */
  add(holder: BufferHolder): void {
    this.#holders.add(holder);
  }

  /** A client has gone, with all that it held. */
  delete(holder: BufferHolder): void {
    if (this.#holders.delete(holder)) this.#count(holder, 0);
  }

  /** A client holds that much now. When it is too much for all, those who hold most are ended, the largest first. */
  count(holder: BufferHolder, bytes: number): void {
    if (bytes === holder.countedBytes || !this.#holders.has(holder)) return;
    this.#count(holder, bytes);
    if (this.#bytes > this.#bytesMax) this.#relieve();
  }

  #count(holder: BufferHolder, bytes: number): void {
    this.#bytes += bytes - holder.countedBytes;
    holder.countedBytes = bytes;
  }

  #relieve(): void {
    const largest = [...this.#holders].sort((a, b) => b.countedBytes - a.countedBytes);
    for (const holder of largest) {
      if (this.#bytes <= this.#bytesMax * RELIEVED_SHARE) return;
      this.delete(holder);
      holder.shed();
    }
  }
}
