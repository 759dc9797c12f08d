import assert from "node:assert/strict";
import { canonicalCountryCode } from "../../src/policy/country_codes.ts";

Deno.test("canonicalCountryCode() takes assigned codes and XK in any case, and nothing else", async (t) => {
  const table: readonly [string, string | undefined][] = [
    ["DE", "DE"],
    ["de", "DE"],
    ["Xk", "XK"],
    ["GB", "GB"],
    ["AN", undefined], // withdrawn
    ["UK", undefined], // reserved: write GB
    ["EU", undefined],
    ["ZZ", undefined],
    ["XX", undefined],
    ["DEU", undefined],
    ["D", undefined],
    ["", undefined],
    [" DE", undefined],
    ["ß", undefined], // upper-cased it would be SS, South Sudan
    ["ﬁ", undefined], // … and this one FI
  ];
  for (const [text, expected] of table) {
    await t.step(JSON.stringify(text), () => assert.equal(canonicalCountryCode(text), expected));
  }
});

Deno.test("canonicalCountryCode() knows all 249 assigned codes and XK", () => {
  const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  const codes = letters.flatMap((first) => letters.map((second) => first + second));
  assert.equal(codes.filter((code) => canonicalCountryCode(code) === code).length, 250);
});
