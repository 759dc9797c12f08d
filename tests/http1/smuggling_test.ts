/** The tables of inputs that could smuggle, as they are and in every split. */

import assert from "node:assert/strict";
import { ask, bytesOf, serve } from "./recorder.ts";
import { CHUNKED, CHUNKS, REQUESTS, type Row } from "./smuggling_requests.ts";
import { RESPONSES } from "./smuggling_responses.ts";

Deno.test("Http1ServerConnection gives the one right answer to requests that could smuggle", async (t) => {
  assert.ok(REQUESTS.length + CHUNKS.length >= 60);
  for (const [name, input, ...calls] of REQUESTS) {
    await t.step(name, () => assert.deepEqual(serve([bytesOf(input)]), calls));
  }
});

Deno.test("Http1ServerConnection gives the one right answer to chunks that could smuggle", async (t) => {
  for (const [name, input, ...calls] of CHUNKS) {
    await t.step(name, () => assert.deepEqual(serve([bytesOf(CHUNKED + input)]), calls));
  }
});

Deno.test("Http1ClientConnection holds responses to the same rules", async (t) => {
  for (const [name, input, ...calls] of RESPONSES) {
    await t.step(name, () => assert.deepEqual(ask([bytesOf(input)]), calls));
  }
});

Deno.test("every smuggling input gives the same calls however it is split", () => {
  const chunked = CHUNKS.map(([name, input, ...calls]): Row => [name, CHUNKED + input, ...calls]);
  for (const [name, input, ...calls] of [...REQUESTS, ...chunked]) {
    const bytes = bytesOf(input);
    for (let at = 1; at < bytes.length; at++) {
      assert.deepEqual(serve([bytes.slice(0, at), bytes.slice(at)]), calls, `${name} split at ${at}`);
    }
    assert.deepEqual(serve(Array.from(bytes, (byte) => Uint8Array.of(byte))), calls, `${name} byte by byte`);
  }
  for (const [name, input, ...calls] of RESPONSES) {
    // Bytes behind a whole response come too late to keep `ready` back when they come on their own.
    if (calls.at(-1) === "closed reset" && !calls.some((call) => call.startsWith("reset"))) continue;
    const bytes = bytesOf(input);
    for (let at = 1; at < bytes.length; at++) {
      assert.deepEqual(ask([bytes.slice(0, at), bytes.slice(at)]), calls, `${name} split at ${at}`);
    }
  }
});
