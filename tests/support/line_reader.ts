/**
 * Reads a child's output line by line, keeps all of it, and can be held so that the pipe fills.
 *
 * @module
 */

/** Reads `stream` to its end from the moment it is made. */
export class LineReader {
  /** Resolves at the stream's end. */
  readonly done: Promise<void>;
  #text = "";
  #released: Promise<void> | undefined;
  #release = () => {};

  /** @param stream the output @param take is given each whole line, and what is left at the end */
  constructor(stream: ReadableStream<Uint8Array>, take: (line: string) => void) {
    this.done = this.#run(stream, take);
  }

  /** Everything read so far. */
  get text(): string {
    return this.#text;
  }

  /** Stops reading until the answer is disposed of or {@linkcode release} is called. */
  hold(): Disposable {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#released = promise;
    this.#release = resolve;
    return { [Symbol.dispose]: resolve };
  }

  /** Goes on reading. */
  release(): void {
    this.#release();
  }

  async #run(stream: ReadableStream<Uint8Array>, take: (line: string) => void): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream() as never) as AsyncIterable<string>) {
      this.#text += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) take(line);
      await this.#released;
    }
    if (rest !== "") take(rest);
  }
}
