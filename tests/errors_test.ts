import assert from "node:assert/strict";

import { messageOf, ProxyError } from "../src/errors.ts";

Deno.test("ProxyError has a code to branch on, a sentence and its cause", () => {
  const cause = new Error("no such file");
  const error = new ProxyError("unavailable", 'Can\'t read "key.pem"', { cause });
  assert.ok(error instanceof Error);
  assert.equal(error.name, "ProxyError");
  assert.equal(error.code, "unavailable");
  assert.equal(String(error), 'ProxyError: Can\'t read "key.pem"');
  assert.equal(error.cause, cause);
  assert.equal(new ProxyError("busy", "Address in use").cause, undefined);
});

Deno.test("messageOf() makes a text of whatever was thrown", () => {
  for (const [thrown, text] of [[new RangeError("too far"), "too far"], ["a word", "a word"], [7, "7"]]) {
    assert.equal(messageOf(thrown), text);
  }
});
