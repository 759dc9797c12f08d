import assert from "node:assert/strict";
import fc from "fast-check";
import { LineWriter, readLines } from "../../src/proxy/lines.ts";

async function linesOf(chunks: readonly Uint8Array[], lineBytesMax = 1_000): Promise<string[]> {
  return await Array.fromAsync(
    readLines(ReadableStream.from(chunks) as ReadableStream<Uint8Array>, lineBytesMax),
  );
}

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("readLines() gives the same lines wherever the stream is split", async () => {
  const text = "first\n\nü€𐍈 third\n{}\n";
  const expected = ["first", "", "ü€𐍈 third", "{}"];
  const bytes = encode(text);
  assert.deepEqual(await linesOf([bytes]), expected);
  assert.deepEqual(await linesOf(Array.from(bytes, (byte) => Uint8Array.of(byte))), expected);
  for (let at = 0; at <= bytes.length; at++) {
    assert.deepEqual(await linesOf([bytes.subarray(0, at), bytes.subarray(at)]), expected, `at ${at}`);
  }
});

Deno.test("readLines() takes the longest line, whole or in pieces, and refuses one byte more", async () => {
  const longest = encode(`${"x".repeat(1_000)}\n`);
  const halves = (bytes: Uint8Array) => [bytes.subarray(0, 600), bytes.subarray(600)];
  assert.deepEqual((await linesOf(halves(longest)))[0]?.length, 1_000);
  const over = encode(`${"x".repeat(1_001)}`);
  await assert.rejects(linesOf([over]), RangeError);
  await assert.rejects(linesOf(halves(over)), RangeError);
  await assert.rejects(linesOf([encode("a\n"), over]), RangeError);
});

Deno.test("readLines() says nothing of a last line without its end", async () => {
  assert.deepEqual(await linesOf([encode("whole\ncut")]), ["whole"]);
  assert.deepEqual(await linesOf([]), []);
});

/** A sink that takes as much as the test lets it. */
class Sink {
  text = "";
  writes = 0;
  readonly #bytesMax: number;

  constructor(bytesMax = Infinity) {
    this.#bytesMax = bytesMax;
  }

  write(bytes: Uint8Array): Promise<number> {
    this.writes++;
    const taken = bytes.subarray(0, this.#bytesMax);
    this.text += new TextDecoder("latin1").decode(taken);
    return Promise.resolve(taken.length);
  }
}

Deno.test("LineWriter writes lines in order whatever the sink takes at once", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.stringMatching(/^[a-z]{0,20}$/), { maxLength: 20 }),
    fc.integer({ min: 1, max: 50 }),
    async (lines, bytesMax) => {
      const sink = new Sink(bytesMax);
      const writer = new LineWriter(sink, 1_000_000);
      for (const line of lines) assert.ok(writer.write(line));
      await writer.flush();
      assert.equal(sink.text, lines.map((line) => `${line}\n`).join(""));
    },
  ));
});

Deno.test("LineWriter gathers the lines of one turn into one write", async () => {
  const sink = new Sink();
  const writer = new LineWriter(sink, 1_000);
  for (let line = 0; line < 50; line++) writer.write("x");
  await writer.flush();
  assert.equal(sink.writes, 1);
});

Deno.test("LineWriter drops what its queue has no room for, and takes lines again when there is some", async () => {
  const gate = Promise.withResolvers<void>();
  let text = "";
  const writer = new LineWriter({
    write: async (bytes) => {
      await gate.promise;
      text += new TextDecoder().decode(bytes);
      return bytes.length;
    },
  }, 30);
  const line = "123456789";
  assert.deepEqual(Array.from({ length: 5 }, () => writer.write(line)), [true, true, true, false, false]);
  assert.equal(
    await Promise.race([writer.flush().then(() => "flushed"), writer.flush(20).then(() => "late")]),
    "late",
  );
  gate.resolve();
  await writer.flush();
  assert.equal(text, `${line}\n`.repeat(3));
  assert.ok(writer.write(line));
  await writer.flush();
  assert.equal(text, `${line}\n`.repeat(4));
});

Deno.test("LineWriter counts the lines that a failing sink lost and goes on on a line of its own", async () => {
  let isFull = true;
  let text = "";
  let lost = 0;
  const writer = new LineWriter(
    {
      write: (bytes) => {
        if (isFull && text.length > 0) return Promise.reject(new Error("no space"));
        const taken = isFull ? bytes.subarray(0, 3) : bytes;
        text += new TextDecoder().decode(taken);
        return Promise.resolve(taken.length);
      },
    },
    1_000,
    (lines) => lost += lines,
  );
  writer.write("first");
  writer.write("second");
  await writer.flush();
  assert.deepEqual([text, lost], ["fir", 2]);
  isFull = false;
  writer.write("third");
  await writer.flush();
  assert.equal(text, "fir\nthird\n");
  assert.equal(lost, 2);
});
