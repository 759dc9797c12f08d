import assert from "node:assert/strict";
import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import { printable, printableDeep, printableLines, printableToml } from "../../src/wire/printable.ts";

const ROWS: readonly [text: string, shown: string][] = [
  ["a.test", "a.test"],
  ["é 例 😀", "é 例 😀"],
  ["\u001b]0;x\u0007", "\\u001b]0;x\\u0007"],
  ["a\r\nb\tc\u007f\u009b", "a\\u000d\\u000ab\\u0009c\\u007f\\u009b"],
  ["\u202eabc\u2066\u200b\ufeff", "\\u202eabc\\u2066\\u200b\\ufeff"],
  ["\u2028\u2029", "\\u2028\\u2029"],
  ["\u{e0041}", "\\udb40\\udc41"],
];

Deno.test("printable() writes what steers a terminal as JSON does", async (t) => {
  for (const [text, shown] of ROWS) {
    await t.step(JSON.stringify(shown), () => assert.equal(printable(text), shown));
  }
});

Deno.test("printable() of JSON is the same value, without a control character", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    const shown = printable(JSON.stringify(text));
    assert.equal(JSON.parse(shown), text);
    assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  }));
});

Deno.test("printableLines() keeps line feeds only", () => {
  assert.equal(printableLines("a\u001b\nb\r\n"), "a\\u001b\nb\\u000d\n");
});

Deno.test("printableToml() keeps the values of a TOML file, whatever its texts hold", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (value) => {
    // What isn't well-formed UTF-16 is no TOML.
    const text = stringify({ value: value.toWellFormed() });
    const shown = printableToml(text);
    assert.deepEqual({ ...parse(shown) }, { ...parse(text) });
    assert.doesNotMatch(shown.replaceAll("\n", ""), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  }));
});

Deno.test("printableDeep() reaches every text and changes nothing else", () => {
  const bytes = Uint8Array.of(1);
  const value = { a: "\n", b: ["\u001b", 1n, undefined], c: { d: null, e: true, f: bytes } };
  assert.deepEqual(printableDeep(value), {
    a: "\\u000a",
    b: ["\\u001b", 1n, undefined],
    c: { d: null, e: true, f: bytes },
  });
  assert.equal(value.a, "\n");
});
