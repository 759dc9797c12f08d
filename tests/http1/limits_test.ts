/** Limits of heads, trailers and chunk extensions, met exactly. */

import assert from "node:assert/strict";
import { bytesOf, serve } from "./recorder.ts";

const POST = "POST / HTTP/1.1\r\nHost: a.example\r\n";

Deno.test("limits are met exactly", async (t) => {
  const head = (bytes: number) => {
    const start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    return `${start}${"x".repeat(bytes - start.length - 4)}\r\n\r\n`;
  };
  const fields = (count: number) => `GET / HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(count - 1)}\r\n`;
  const chunked = `${POST}Transfer-Encoding: chunked\r\n\r\n`;
  const rows: readonly [string, string, string][] = [
    ["head bytes", head(200), "request 1 GET / end"],
    ["head bytes", head(201), "closed 431"],
    ["head without end", "x".repeat(201), "closed 431"],
    ["a malformed line that is too long", `GET / HTTP/1.1\r\nX\0${"x".repeat(200)}\r\n`, "closed 431"],
    ["head fields", fields(10), "request 1 GET / end"],
    ["head fields", fields(11), "closed 431"],
    ["trailer fields", `${chunked}0\r\n${"X: y\r\n".repeat(11)}\r\n`, "closed 431"],
    ["trailer bytes", `${chunked}0\r\nX: ${"x".repeat(200)}\r\n\r\n`, "closed 431"],
    ["an extension", `${chunked}0;${"x".repeat(199)}\r\n\r\n`, "end"],
    ["an extension", `${chunked}0;${"x".repeat(200)}\r\n\r\n`, "closed 431"],
    [
      "extensions of many chunks",
      `${chunked}${`1;${"x".repeat(49)}\r\n.\r\n`.repeat(5)}0\r\n\r\n`,
      "closed 431",
    ],
  ];
  for (const [name, input, last] of rows) {
    await t.step(`${name}, ${input.length} bytes: ${last}`, () => {
      const options = { maxHeaderBytes: 200, maxHeaderFields: 10 };
      const whole = serve([bytesOf(input)], options);
      assert.equal(whole.at(-1), last);
      assert.deepEqual(serve(Array.from(bytesOf(input), (byte) => Uint8Array.of(byte)), options), whole);
    });
  }
});
