import assert from "node:assert/strict";
import { canonicalHostname, wildcardOf } from "../../src/policy/hostname.ts";

Deno.test("canonicalHostname() gives one spelling of each hostname and refuses everything else", async (t) => {
  const long = `${"a".repeat(63)}.`.repeat(3) + "a".repeat(61); // 253 characters
  const table: readonly [string, string | undefined][] = [
    ["git.example.org", "git.example.org"],
    ["Git.Example.ORG.", "git.example.org"],
    ["localhost", "localhost"],
    ["_dmarc.example.org", "_dmarc.example.org"],
    ["xn--bcher-kva.example", "xn--bcher-kva.example"],
    ["*", "*"],
    ["*.example.org", "*.example.org"],
    ["*.Example.org.", "*.example.org"],
    ["*.org", "*.org"],
    [long, long],
    [`*.${long}`, undefined],
    [`*.${long.slice(2)}`, `*.${long.slice(2)}`],
    ["", undefined],
    [".", undefined],
    ["*.", undefined],
    ["**", undefined],
    ["*example.org", undefined],
    ["*.*.org", undefined],
    ["a.*.org", undefined],
    ["git.example.*", undefined],
    ["git..example.org", undefined],
    [".example.org", undefined],
    ["git.example.org..", undefined],
    ["git example.org", undefined],
    ["git/example.org", undefined],
    ["bücher.example", undefined],
    ["https://git.example.org", undefined],
    ["git.example.org:443", undefined],
    ["192.0.2.1", undefined],
    ["::1", undefined],
    ["a".repeat(64), undefined],
  ];
  for (const [text, expected] of table) {
    await t.step(JSON.stringify(text.slice(0, 40)), () => assert.equal(canonicalHostname(text), expected));
  }
});

Deno.test("wildcardOf() replaces the first label and only that", () => {
  assert.equal(wildcardOf("git.example.org"), "*.example.org");
  assert.equal(wildcardOf("a.git.example.org"), "*.git.example.org");
  assert.equal(wildcardOf("localhost"), undefined);
});
