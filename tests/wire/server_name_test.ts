import assert from "node:assert/strict";
import fc from "fast-check";
import { canonicalServerName } from "../../src/wire/server_name.ts";

const LABEL_63 = "a".repeat(63);
const NAME_253 = `${LABEL_63}.${LABEL_63}.${LABEL_63}.${"b".repeat(61)}`;

const TABLE: readonly [name: string, input: string, expected: string | undefined][] = [
  ["keeps a canonical name", "git.example.org", "git.example.org"],
  ["lowers upper case", "GIT.Example.Org", "git.example.org"],
  ["removes one trailing dot", "example.org.", "example.org"],
  ["refuses two trailing dots", "example.org..", undefined],
  ["takes a single label", "localhost", "localhost"],
  ["takes a numeric label", "0000", "0000"],
  ["takes punycode", "xn--mnchen-3ya.example", "xn--mnchen-3ya.example"],
  ["takes underscores", "_dmarc.example.org", "_dmarc.example.org"],
  ["takes other visible characters", "tes[", "tes["],
  ["refuses an empty name", "", undefined],
  ["refuses a lone dot", ".", undefined],
  ["refuses a leading dot", ".example.org", undefined],
  ["refuses an empty label", "a..b", undefined],
  ["takes a label of 63", `${LABEL_63}.org`, `${LABEL_63}.org`],
  ["refuses a label of 64", `a${LABEL_63}.org`, undefined],
  ["refuses a last label of 64", `org.a${LABEL_63}`, undefined],
  ["takes a name of 253", NAME_253, NAME_253],
  ["takes a name of 253 with a dot", `${NAME_253}.`, NAME_253],
  ["refuses a name of 254", `${NAME_253}b`, undefined],
  ["refuses a NUL", "a\0.example", undefined],
  ["refuses a trailing NUL", "example.org\0", undefined],
  ["refuses a space", "a b", undefined],
  ["refuses a line feed", "a\nb", undefined],
  ["refuses DEL", "a\x7f", undefined],
  ["refuses non-ASCII", "münchen.example", undefined],
  ["refuses what lower-cases into ASCII", "\u212aelvin.example", undefined],
  ["refuses an asterisk", "*.example.org", undefined],
  ["refuses a port", "example.org:443", undefined],
  ["refuses IPv4", "192.0.2.1", undefined],
  ["refuses IPv4 with a dot", "192.0.2.1.", undefined],
  ["refuses IPv4 out of range", "999.0.2.1", undefined],
  ["takes three numeric labels", "1.2.3", "1.2.3"],
  ["takes a name that begins with numbers", "1.2.3.4.example", "1.2.3.4.example"],
  ["refuses IPv6", "2001:db8::1", undefined],
  ["refuses bracketed IPv6", "[::1]", undefined],
];

Deno.test("canonicalServerName() gives one spelling or nothing", async (t) => {
  for (const [name, input, expected] of TABLE) {
    await t.step(name, () => {
      assert.equal(canonicalServerName(input), expected);
      if (/^[\0-\x7f]*$/.test(input)) {
        assert.equal(canonicalServerName(new TextEncoder().encode(input)), expected);
      }
    });
  }
});

Deno.test("canonicalServerName() is idempotent and the same for text and bytes", () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  const near = fc.stringMatching(/^[a-zA-Z0-9.:*_\-]{0,80}$/).map((text) => new TextEncoder().encode(text));
  fc.assert(fc.property(fc.oneof(bytes, near), (input) => {
    const canonical = canonicalServerName(input);
    assert.equal(canonicalServerName(String.fromCharCode(...input)), canonical);
    if (canonical === undefined) return;
    assert.equal(canonicalServerName(canonical), canonical);
    assert.equal(canonicalServerName(canonical.toUpperCase() + "."), canonical);
  }));
});
