import assert from "node:assert/strict";
import fc from "fast-check";
import { huffmanDecode, huffmanDecodedMax, huffmanEncode, huffmanLength } from "../../src/http2/huffman.ts";
import { decodeLatin1 } from "../../src/wire/latin1.ts";

function encode(text: string): Uint8Array {
  const coded = new Uint8Array(huffmanLength(text));
  assert.equal(huffmanEncode(text, coded, 0), coded.length);
  return coded;
}

function decode(coded: Uint8Array): string | undefined {
  const target = new Uint8Array(huffmanDecodedMax(coded.length));
  const length = huffmanDecode(coded, 0, coded.length, target);
  assert.ok(length <= target.length);
  return length < 0 ? undefined : decodeLatin1(target, 0, length);
}

Deno.test("huffmanDecode(huffmanEncode(text)) = text for every byte, pair of bytes and long text", () => {
  for (let first = 0; first < 256; first++) {
    const alone = String.fromCharCode(first);
    assert.equal(decode(encode(alone)), alone, `byte ${first}`);
    for (let second = 0; second < 256; second++) {
      const pair = alone + String.fromCharCode(second);
      assert.equal(decode(encode(pair)), pair, `bytes ${first} ${second}`);
    }
  }
  const codes = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 400 });
  fc.assert(fc.property(codes, (list) => {
    const text = String.fromCharCode(...list);
    assert.equal(decode(encode(text)), text);
  }));
});

Deno.test("huffmanDecode() takes RFC 7541's examples and refuses bad padding and EOS", () => {
  const rows: [number[], string | undefined][] = [
    [[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff], "www.example.com"],
    [[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], "no-cache"],
    [[], ""],
    [[0xff], undefined],
    [[0x1f, 0xff], undefined],
    [[0x1f, 0xff, 0xff], undefined],
    [[0x1f, 0xff, 0xff, 0xff], undefined],
    [[0xff, 0x9f, 0xff, 0xff, 0xff], undefined],
    [[0x52, 0xbc, 0x30, 0xff, 0xff, 0xff, 0xff], undefined],
    [[0xff, 0xff, 0xff, 0xff], undefined],
    [[0xff, 0xff, 0xff, 0xfc], undefined],
    [[0x18], undefined],
    [[0x1f], "a"],
  ];
  for (const [coded, expected] of rows) assert.equal(decode(Uint8Array.from(coded)), expected, String(coded));
});

Deno.test("huffmanDecode() accepts exactly what huffmanEncode() writes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (coded) => {
      const text = decode(coded);
      if (text !== undefined) assert.deepEqual(encode(text), coded);
    }),
    { numRuns: 5000 },
  );
});
