/**
 * The cost of finding the server name: `deno bench tests/bench/client_hello_bench.ts`. The goal is under 3 µs for
 * a post-quantum hello that arrives whole.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ClientHelloReader } from "../../src/wire/client_hello.ts";
import recordedHellos from "../wire/client_hellos.json" with { type: "json" };

const postQuantum = hello("go crypto/tls");
const small = hello("openssl s_client");
const middle = postQuantum.length >> 1;
const firstHalf = postQuantum.subarray(0, middle);
const secondHalf = postQuantum.subarray(middle);
const bytes = Array.from(postQuantum, (_, index) => postQuantum.subarray(index, index + 1));
const largest = manyRecords(16_384);

function hello(origin: string): Uint8Array {
  return Uint8Array.fromHex(recordedHellos.find((recorded) => recorded.origin === origin)!.hex);
}

/** A hello of `length` bytes that never ends, one byte per push. */
function manyRecords(length: number): Uint8Array[] {
  const unfinished = new Uint8Array(5 + length - 1);
  unfinished.set([
    22,
    3,
    1,
    (length - 1) >> 8,
    (length - 1) & 0xff,
    1,
    0,
    (length - 4) >> 8,
    (length - 4) & 0xff,
  ]);
  return Array.from(unfinished, (_, index) => unfinished.subarray(index, index + 1));
}

function push(...pieces: readonly Uint8Array[]): string | undefined {
  const reader = new ClientHelloReader();
  for (const piece of pieces) {
    const outcome = reader.push(piece);
    if (outcome.kind === "hello") return outcome.hello.serverName;
  }
  return undefined;
}

for (const pieces of [[postQuantum], [small], [firstHalf, secondHalf], bytes]) {
  assert.equal(push(...pieces), "git.example.org");
}

Deno.bench(`whole hello, ${postQuantum.length} bytes`, { group: "hello", baseline: true }, () => {
  push(postQuantum);
});
Deno.bench(`whole hello, ${small.length} bytes`, { group: "hello" }, () => {
  push(small);
});
Deno.bench(`two segments, ${postQuantum.length} bytes`, { group: "hello" }, () => {
  push(firstHalf, secondHalf);
});
Deno.bench(`byte by byte, ${postQuantum.length} bytes`, { group: "slow" }, () => {
  push(...bytes);
});
Deno.bench("byte by byte, 16,383 bytes", { group: "slow" }, () => {
  push(...largest);
});
