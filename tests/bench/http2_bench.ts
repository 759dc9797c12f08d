/**
 * What a header section costs in HTTP/2: decoding and encoding a browser's header set, beside the HPACK codec of
 * npm's `hpack.js` (the one of node-spdy) in the same run. Before the clock starts each side's answer is checked.
 * Run: `deno task bench:micro tests/bench/http2_bench.ts`.
 */
import assert from "node:assert/strict";
import hpack from "hpack.js";
import { FieldSection } from "../../src/http2/field_section.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack_encoder.ts";
import { OutputBuffer } from "../../src/http2/output.ts";

interface HpackField {
  name: string;
  value: string;
  huffman?: boolean;
}
interface HpackStream {
  write(input: unknown): void;
  read(): Uint8Array | HpackField | null;
  execute(callback: (error: Error | null) => void): void;
}
const theirs = hpack as unknown as {
  compressor: { create(options: unknown): HpackStream };
  decompressor: { create(options: unknown): HpackStream };
};

// Ten fields as a browser sends them; the path and one cookie differ from request to request.
const FIELDS = [
  ...["sec-ch-ua", '"Chromium";v="126", "Google Chrome";v="126", "Not-A.Brand";v="8"'],
  ...[
    "user-agent",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
  ],
  ...["accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"],
  ...["sec-fetch-site", "same-origin", "sec-fetch-mode", "navigate"],
  ...["referer", "https://www.example.org/articles/", "accept-encoding", "gzip, deflate, br, zstd"],
  ...["accept-language", "de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7"],
  ...["cookie", "session=9f2c7e5ad41b4c0f8e6d3a2b1c0d9e8f; theme=dark"],
];
const PATHS = Array.from({ length: 64 }, (_, index) => `/articles/${1_000 + index}/view?page=${index}`);
const LISTS = PATHS.map((path, index) => [
  ...[":method", "GET", ":scheme", "https", ":authority", "www.example.org", ":path", path],
  ...FIELDS,
  ...["cookie", `visit=${index}`],
]);
/** How many texts of a list are pseudo-fields. */
const PSEUDO = 8;

function encodeOurs(encoder: HpackEncoder, out: OutputBuffer, list: readonly string[]): Uint8Array {
  encoder.begin(out);
  for (let index = 0; index < list.length; index += 2) {
    encoder.field(out, list[index]!, list[index + 1]!, false);
  }
  return out.take();
}

function encodeTheirs(compressor: HpackStream, list: readonly string[]): Uint8Array {
  const fields: HpackField[] = [];
  for (let index = 0; index < list.length; index += 2) {
    fields.push({ name: list[index]!, value: list[index + 1]!, huffman: true });
  }
  compressor.write(fields);
  return compressor.read() as Uint8Array;
}

function decodeTheirs(decompressor: HpackStream, block: Uint8Array): string[] {
  decompressor.write(block);
  decompressor.execute((error) => assert.equal(error, null));
  const list: string[] = [];
  for (let field = decompressor.read(); field !== null; field = decompressor.read()) {
    const { name, value } = field as HpackField;
    list.push(name, value);
  }
  return list;
}

// One encoder made all blocks, so that they run through a warm dynamic table again and again: the first pass
// fills it, the passes after it repeat.
const blocks = (() => {
  const encoder = new HpackEncoder(4096);
  const out = new OutputBuffer();
  return LISTS.map((list) => encodeOurs(encoder, out, list).slice());
})();
const [filling, ...warm] = blocks as [Uint8Array, ...Uint8Array[]];

const section = new FieldSection({ maxHeaderBytes: 65_536, maxHeaderFields: 128 });
const decoder = new HpackDecoder(4096);
const decompressor = theirs.decompressor.create({ table: { maxSize: 4096 } });
for (const [index, block] of blocks.entries()) {
  section.clear();
  assert.equal(decoder.decode(block, 0, block.length, section), "");
  assert.deepEqual([section.path, section.fields], [PATHS[index], LISTS[index]!.slice(PSEUDO)]);
  const listed = decodeTheirs(decompressor, block);
  assert.deepEqual(listed, LISTS[index]);
}
assert.ok(filling.length > warm[0]!.length);

let next = 0;
Deno.bench("decode ten fields", { group: "decode", baseline: true }, () => {
  const block = warm[next++ % warm.length]!;
  section.clear();
  decoder.decode(block, 0, block.length, section);
});
Deno.bench("decode ten fields: hpack.js", { group: "decode" }, () => {
  decodeTheirs(decompressor, warm[next++ % warm.length]!);
});

const encoder = new HpackEncoder(4096);
const out = new OutputBuffer();
const compressor = theirs.compressor.create({ table: { maxSize: 4096 } });
const check = new HpackDecoder(4096);
for (const list of LISTS) {
  const block = encodeOurs(encoder, out, list);
  section.clear();
  assert.equal(check.decode(block, 0, block.length, section), "");
  assert.deepEqual(section.fields, list.slice(PSEUDO));
}
{
  const verify = theirs.decompressor.create({ table: { maxSize: 4096 } });
  for (const list of LISTS) assert.deepEqual(decodeTheirs(verify, encodeTheirs(compressor, list)), list);
}
Deno.bench("encode ten fields", { group: "encode", baseline: true }, () => {
  encodeOurs(encoder, out, LISTS[next++ % LISTS.length]!);
});
Deno.bench("encode ten fields: hpack.js", { group: "encode" }, () => {
  encodeTheirs(compressor, LISTS[next++ % LISTS.length]!);
});
