import assert from "node:assert/strict";
import fc from "fast-check";
import { FieldSection } from "../../src/http2/field_section.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { HpackEncoder } from "../../src/http2/hpack_encoder.ts";
import { DynamicTable, hpackEntry, STATIC_TABLE } from "../../src/http2/hpack_table.ts";
import { OutputBuffer } from "../../src/http2/output.ts";
import { C3_REQUESTS, C4_BLOCKS, SERIES } from "./hpack_vectors.ts";

const LIMITS = { maxHeaderBytes: 65_536, maxHeaderFields: 128 };

/** A section that keeps every field in order, pseudo-fields too, without judging them. */
class Listing extends FieldSection {
  list: string[] = [];
  never: string[] = [];
  override add(...[kind, name, value, legal, never]: Parameters<FieldSection["add"]>): void {
    super.add(kind, name, value, legal, never);
    this.list.push(name, value);
    if (never) this.never.push(name);
  }
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/\s/g, "").match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

function decode(decoder: HpackDecoder, bytes: Uint8Array): Listing | string {
  const section = new Listing(LIMITS);
  return decoder.decode(bytes, 0, bytes.length, section) || section;
}

function list(decoder: HpackDecoder, bytes: Uint8Array): string[] {
  const section = decode(decoder, bytes);
  assert.ok(typeof section !== "string", String(section));
  return section.list;
}

/** What the dynamic table holds, newest first, found out by asking for each index. */
function table(decoder: HpackDecoder): string[] {
  const found: string[] = [];
  for (let index = 62;; index++) {
    const section = decode(decoder, Uint8Array.of(0x80 | index));
    if (typeof section === "string") return found;
    found.push(...section.list);
  }
}

function encode(encoder: HpackEncoder, fields: readonly string[], never: readonly string[] = []): Uint8Array {
  const out = new OutputBuffer();
  encoder.begin(out);
  for (let index = 0; index < fields.length; index += 2) {
    encoder.field(out, fields[index]!, fields[index + 1]!, never.includes(fields[index]!));
  }
  return out.take();
}

Deno.test("HpackDecoder decodes RFC 7541 Appendix C.2", () => {
  const rows: [string, string[], string[], string[]][] = [
    [
      "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      ["custom-key", "custom-header"],
      [],
      ["custom-key", "custom-header"],
    ],
    ["040c 2f73 616d 706c 652f 7061 7468", [":path", "/sample/path"], [], []],
    ["1008 7061 7373 776f 7264 0673 6563 7265 74", ["password", "secret"], ["password"], []],
    ["82", [":method", "GET"], [], []],
  ];
  for (const [block, fields, never, after] of rows) {
    const decoder = new HpackDecoder(4096);
    const section = decode(decoder, hex(block));
    assert.ok(typeof section !== "string");
    assert.deepEqual([section.list, section.never, table(decoder)], [fields, never, after], block);
  }
});

Deno.test("HpackDecoder decodes RFC 7541 Appendix C.3 to C.6 with the tables they give", async (t) => {
  for (const [name, tableBytes, blocks, lists, tables] of SERIES) {
    await t.step(name, () => {
      const decoder = new HpackDecoder(tableBytes);
      // The appendix takes the size as agreed; on a connection the first block says so.
      decoder.acknowledged();
      if (tableBytes < 4096) assert.deepEqual(list(decoder, hex("3fe101")), []);
      blocks.forEach((block, index) => {
        assert.deepEqual(list(decoder, hex(block)), lists[index]);
        assert.deepEqual(table(decoder), tables[index]![0]);
        assert.equal(decoder.tableBytes, tables[index]![1]);
      });
    });
  }
});

Deno.test("HpackEncoder writes RFC 7541 Appendix C.4 byte for byte", () => {
  const encoder = new HpackEncoder(4096);
  C3_REQUESTS.forEach((fields, index) => assert.deepEqual(encode(encoder, fields), hex(C4_BLOCKS[index]!)));
});

Deno.test("integers are coded as in RFC 7541 Appendix C.1", () => {
  const encoder = new HpackEncoder(65_536);
  encoder.setPeerTableBytes(10);
  assert.deepEqual(encode(encoder, []), hex("2a"), "C.1.1");
  encoder.setPeerTableBytes(1337);
  assert.deepEqual(encode(encoder, []), hex("3f9a0a"), "C.1.2");
  const decoder = new HpackDecoder(4096);
  assert.deepEqual(list(decoder, hex("2a82")), [":method", "GET"]);
  assert.deepEqual(list(decoder, hex("3f9a0a82")), [":method", "GET"]);
  // C.1.3: 42 from an octet boundary, here as a string length.
  const value = "x".repeat(42);
  const block = Uint8Array.of(0x04, 42, ...new TextEncoder().encode(value));
  assert.deepEqual(list(decoder, block), [":path", value]);
});

Deno.test("the static table is RFC 7541 Appendix A at its corners", () => {
  assert.equal(STATIC_TABLE.length, 61);
  const rows: [number, string, string][] = [
    [1, ":authority", ""],
    [2, ":method", "GET"],
    [7, ":scheme", "https"],
    [8, ":status", "200"],
    [14, ":status", "500"],
    [16, "accept-encoding", "gzip, deflate"],
    [17, "accept-language", ""],
    [32, "cookie", ""],
    [38, "host", ""],
    [58, "user-agent", ""],
    [61, "www-authenticate", ""],
  ];
  for (const [index, name, value] of rows) {
    const { name: gotName, value: gotValue } = STATIC_TABLE[index - 1]!;
    assert.deepEqual([gotName, gotValue], [name, value]);
  }
});

Deno.test("HpackDecoder refuses what breaks RFC 7541", () => {
  const rows: [string, string][] = [
    ["80", "index 0"],
    ["be", "index beyond the tables"],
    ["ff8000", "index beyond the tables in a long integer"],
    ["ffffffffffff", "integer without end"],
    ["ffffffffff7f", "integer over 2^28"],
    ["ff80808080808000", "integer padded with zeros"],
    ["7fff", "integer cut"],
    ["40", "name missing"],
    ["4001", "name cut"],
    ["400161", "value missing"],
    ["40016105", "value cut"],
    ["400161ff", "length cut"],
    ["4001618100", "Huffman padding that isn't ones"],
    ["40016181ff", "Huffman padding of eight bits"],
    ["40016184ffffffff", "Huffman EOS"],
    ["8220", "table size update after a field"],
    ["3fe21f", "table size update over the limit"],
    ["3f", "table size update cut"],
    ["0f", "name index cut"],
    ["7f8080", "name index cut in the middle"],
  ];
  for (const [block, name] of rows) {
    assert.equal(typeof decode(new HpackDecoder(4096), hex(block)), "string", `${name}: ${block}`);
  }
});

Deno.test("HpackDecoder takes table size updates up to the announced size, and 4096 before the ACK", () => {
  const small = new HpackDecoder(100);
  assert.equal(typeof decode(small, hex("3fe11f82")), "object", "4096 before the ACK");
  small.acknowledged();
  assert.equal(typeof decode(small, hex("3f4682")), "string", "101 after it");
  assert.equal(typeof decode(small, hex("3f4582")), "object", "100 after it");
  const large = new HpackDecoder(8192);
  assert.equal(typeof decode(large, hex("3fe13f82")), "object", "8192");
});

Deno.test("DynamicTable evicts from the old end and is emptied by an entry that is too large", () => {
  const dynamic = new DynamicTable(100);
  dynamic.insert(hpackEntry("a", "1"));
  dynamic.insert(hpackEntry("b", "2"));
  dynamic.insert(hpackEntry("c", "3"));
  assert.deepEqual([dynamic.count, dynamic.size, dynamic.get(0)?.name, dynamic.get(1)?.name], [
    2,
    68,
    "c",
    "b",
  ]);
  dynamic.resize(40);
  assert.deepEqual([dynamic.count, dynamic.get(0)?.name, dynamic.get(1)], [1, "c", undefined]);
  dynamic.insert(hpackEntry("long", "x".repeat(50)));
  assert.deepEqual([dynamic.count, dynamic.size], [0, 0]);
});

Deno.test("HpackEncoder never indexes secrets and what came never-indexed", () => {
  const encoder = new HpackEncoder(4096);
  const decoder = new HpackDecoder(4096);
  const fields = ["authorization", "Bearer x", "cookie", "a=b", "set-cookie", "c=d", "x-key", "k"];
  for (let round = 0; round < 2; round++) {
    const section = decode(decoder, encode(encoder, fields, ["x-key"]));
    assert.ok(typeof section !== "string");
    assert.deepEqual(section.list, fields);
    assert.deepEqual(section.never, ["authorization", "cookie", "set-cookie", "x-key"]);
    assert.equal(decoder.tableBytes, 0);
  }
});

Deno.test("HpackEncoder leaves out connection-specific fields", () => {
  const fields = ["connection", "close", "upgrade", "x", "te", "trailers", "transfer-encoding", "chunked"];
  assert.deepEqual(list(new HpackDecoder(4096), encode(new HpackEncoder(4096), fields)), ["te", "trailers"]);
});

Deno.test("HpackEncoder announces the smallest and the last table size between two blocks", () => {
  const encoder = new HpackEncoder(4096);
  const decoder = new HpackDecoder(4096);
  assert.deepEqual(list(decoder, encode(encoder, ["x-a", "1"])), ["x-a", "1"]);
  encoder.setPeerTableBytes(0);
  encoder.setPeerTableBytes(2048);
  const block = encode(encoder, ["x-a", "1"]);
  assert.deepEqual(block.subarray(0, 4), hex("203fe10f"));
  assert.deepEqual(list(decoder, block), ["x-a", "1"]);
  assert.deepEqual(table(decoder), ["x-a", "1"]);
});

Deno.test("a character that is no byte can't become another one", () => {
  const block = encode(new HpackEncoder(0), ["x-a", "a\u010ab\u{1f600}".repeat(3)]);
  assert.deepEqual(list(new HpackDecoder(4096), block), ["x-a", "a?b??".repeat(3)]);
});

Deno.test("FieldSection keeps nothing beyond its limits and goes on counting", () => {
  const section = new Listing({ maxHeaderBytes: 200, maxHeaderFields: 3 });
  const encoder = new HpackEncoder(4096);
  const block = encode(encoder, ["a", "x".repeat(100), "b", "y".repeat(100), "c", "z".repeat(100)]);
  assert.equal(new HpackDecoder(4096).decode(block, 0, block.length, section), "");
  assert.equal(section.overLimit, true);
  assert.deepEqual(section.fields, ["a", "x".repeat(100)]);
  assert.equal(section.size, 3 * 133);
  const many = new FieldSection({ maxHeaderBytes: 65_536, maxHeaderFields: 3 });
  const fields = ["a", "1", "b", "1", "c", "1"];
  const fits = encode(new HpackEncoder(0), fields);
  assert.equal(new HpackDecoder(4096).decode(fits, 0, fits.length, many), "");
  assert.equal(many.overLimit, false);
  const more = encode(new HpackEncoder(0), [...fields, "d", "1"]);
  many.clear();
  assert.equal(new HpackDecoder(4096).decode(more, 0, more.length, many), "");
  assert.equal(many.overLimit, true);
});

Deno.test("decode(encode(fields)) = fields, over many blocks, table sizes and sensitivities", () => {
  const names = fc.constantFrom(
    "a",
    "x-b",
    "cookie",
    ":path",
    "accept",
    "user-agent",
    "etag",
    "x-".repeat(20),
  );
  const text = fc.oneof(
    fc.constantFrom("", "1", "gzip, deflate", "GET", "value"),
    fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 300 }).map((codes) =>
      String.fromCharCode(...codes)
    ),
  );
  const field = fc.tuple(names, text, fc.boolean());
  const block = fc.record({
    fields: fc.array(field, { maxLength: 12 }),
    resize: fc.option(fc.integer({ min: 0, max: 6000 })),
  });
  fc.assert(
    fc.property(fc.array(block, { maxLength: 12 }), fc.constantFrom(0, 64, 500, 4096), (blocks, size) => {
      const encoder = new HpackEncoder(size);
      const decoder = new HpackDecoder(8192);
      for (const { fields, resize } of blocks) {
        if (resize !== null) encoder.setPeerTableBytes(resize);
        const out = new OutputBuffer();
        encoder.begin(out);
        for (const [name, value, never] of fields) encoder.field(out, name, value, never);
        const bytes = out.take();
        const section = decode(decoder, bytes);
        assert.ok(typeof section !== "string", String(section));
        assert.deepEqual(section.list, fields.flatMap(([name, value]) => [name, value]));
        assert.ok(decoder.tableBytes <= Math.max(size, 0));
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("HpackDecoder neither throws nor hangs on any block, and its table stays bounded", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 8 }), (blocks) => {
      const decoder = new HpackDecoder(4096);
      for (const block of blocks) {
        decode(decoder, block);
        assert.ok(decoder.tableBytes <= 4096);
      }
    }),
    { numRuns: 2000 },
  );
});
