/** What SETTINGS_HEADER_TABLE_SIZE asks of either side (RFC 7541 §4.2, RFC 9113 §4.3.1). */
import assert from "node:assert/strict";
import { FieldSection } from "../../src/http2/field_section.ts";
import { HpackDecoder } from "../../src/http2/hpack_decoder.ts";
import { NEVER_INDEXED_NONE } from "../../src/wire/http_handler.ts";
import { GET, RawPeer, readFrames, settings } from "./raw_peer.ts";

const hex = (text: string) => Uint8Array.fromHex(text);

Deno.test("HpackDecoder wants a size update after SETTINGS made the table smaller (RFC 9113 4.3.1)", () => {
  const rows: [number, string, string, string][] = [
    [256, "82", "82", "no table size update after SETTINGS made it smaller"],
    [256, "82", "3fe10182", ""],
    [256, "82", "3fe20182", "a table size update out of place or range"],
    [256, "3fe101", "82", ""],
    [256, "3fe201", "82", "no table size update after SETTINGS made it smaller"],
    [4096, "82", "82", ""],
    [8192, "82", "82", ""],
  ];
  for (const [announced, before, after, fault] of rows) {
    const decoder = new HpackDecoder(announced);
    const section = new FieldSection({ maxHeaderBytes: 1_000, maxHeaderFields: 10 });
    const [first, second] = [hex(before), hex(after)];
    assert.equal(decoder.decode(first, 0, first.length, section), "");
    decoder.acknowledged();
    assert.equal(decoder.decode(second, 0, second.length, section), fault, `${announced} ${before} ${after}`);
  }
});

Deno.test("sizes that one SETTINGS frame passes through empty the encoder's table", () => {
  const head = { status: 200, fields: ["x-a", "b"], neverIndexed: NEVER_INDEXED_NONE };
  const blockAfter = (...sizes: [number, number][]) => {
    const peer = RawPeer.client();
    for (const id of [1, 3]) {
      peer.headers(id, GET);
      peer.connection.response(id, head, true);
    }
    peer.output();
    if (sizes.length > 0) peer.send(settings(...sizes));
    peer.headers(5, GET);
    peer.connection.response(5, head, true);
    return readFrames(peer.connection.takeOutput()).at(-1)!.payload.toHex();
  };
  const literal = "4003782d610162";
  assert.equal(blockAfter(), "88be");
  assert.equal(blockAfter([1, 0], [1, 4096]), `203fe11f88${literal}`);
  assert.equal(blockAfter([1, 0]), `2088${literal}`.replace("4003", "0003"));
  assert.equal(blockAfter([1, 8192], [1, 4096]), "88be", "larger than we use is no change");
});
