/**
 * Lines of UTF-8 text over a byte stream: how the main process and a worker talk.
 *
 * @module
 */

/**
 * Splits a byte stream into lines.
 *
 * @param lineBytesMax a longer line ends the reading
 * @throws RangeError on a line that is too long, and whatever the stream throws
 */
export async function* readLines(
  stream: ReadableStream<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  let pieces: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      pieces.push(chunk.subarray(start, end));
      yield decoder.decode(join(pieces, held + end - start));
      pieces = [];
      held = 0;
      start = end + 1;
    }
    held += chunk.length - start;
    if (held > lineBytesMax) throw new RangeError(`line longer than ${lineBytesMax} bytes`);
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  }
}

function join(pieces: readonly Uint8Array[], length: number): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const piece of pieces) {
    whole.set(piece, offset);
    offset += piece.length;
  }
  return whole;
}

const NEWLINE = Uint8Array.of(10);

/** Somewhere bytes can be written, such as `Deno.stdout`. */
export interface ByteSink {
  /** Writes some of the bytes; resolves with how many, rejects when nothing can be written any more. */
  write(bytes: Uint8Array): Promise<number>;
}

/**
 * Writes lines one after the other without making the caller wait. Lines that would make more than
 * `queueBytesMax` wait are dropped, and so are those that the sink fails on; the next one is tried again, for a
 * full disk isn't full for ever.
 */
export class LineWriter {
  readonly #sink: ByteSink;
  readonly #queueBytesMax: number;
  readonly #encoder = new TextEncoder();
  readonly #onLost: (lines: number) => void;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;
  #isBroken = false;

  /**
   * Nothing is written yet.
   *
   * @param sink where the lines go
   * @param queueBytesMax most bytes that wait
   * @param onLost called with the number of lines that the sink failed on
   */
  constructor(sink: ByteSink, queueBytesMax: number, onLost: (lines: number) => void = () => {}) {
    this.#sink = sink;
    this.#onLost = onLost;
    this.#queueBytesMax = queueBytesMax;
  }

  /**
   * Queues a line.
   *
   * @param line without its newline
   * @returns false when it was dropped
   */
  write(line: string): boolean {
    if (this.#queuedBytes + line.length > this.#queueBytesMax) return false;
    const bytes = this.#encoder.encode(`${line}\n`);
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#writing ??= this.#drain();
    return true;
  }

  /**
   * Waits until everything written so far has left or the sink has failed.
   *
   * @param timeoutMs for a sink that nobody reads; default: no limit
   */
  async flush(timeoutMs?: number): Promise<void> {
    if (this.#writing === undefined) return;
    if (timeoutMs === undefined) return await this.#writing;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, timeoutMs);
    await Promise.race([this.#writing, promise]);
    clearTimeout(timer);
  }

  async #drain(): Promise<void> {
    // Lines of one turn of the event loop leave in one write.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      // What a failed write has left of a line is ended first.
      if (this.#isBroken) this.#queue.unshift(NEWLINE);
      const lines = this.#queue;
      const bytes = join(lines, lines.reduce((sum, line) => sum + line.length, 0));
      this.#queue = [];
      try {
        for (let offset = 0; offset < bytes.length;) offset += await this.#sink.write(bytes.subarray(offset));
        this.#isBroken = false;
      } catch {
        this.#isBroken = true;
        this.#onLost(lines.length);
      }
      // What arrived meanwhile is still waiting.
      this.#queuedBytes = this.#queue.reduce((sum, waiting) => sum + waiting.length, 0);
    }
    this.#writing = undefined;
  }
}
