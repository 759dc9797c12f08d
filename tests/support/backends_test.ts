import assert from "node:assert/strict";
import { echoBackend, resettingBackend, sinkBackend, sourceBackend, unreachableBackend } from "./backends.ts";
import { latin1 } from "./client_hello.ts";
import { patternSha256 } from "./pattern.ts";
import { exchange, openClient } from "./raw_client.ts";

const MIB = 1_048_576;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("echoBackend() sends back what it got and ends after the client's FIN", async () => {
  await using backend = echoBackend();
  const answer = await exchange(backend.addr, latin1("hello"), true);
  assert.deepEqual([text(answer.bytes), answer.end], ["hello", "fin"]);
  assert.equal(text((await backend.connection(0)).head), "hello");
});

Deno.test("sinkBackend() answers with count and hash after the client's FIN", async () => {
  await using backend = sinkBackend();
  using client = await openClient(backend.addr);
  await client.sendPattern(3 * MIB + 1);
  await client.finish();
  const { bytes } = await client.readToEnd();
  assert.equal(text(bytes), `${patternSha256(3 * MIB + 1)} ${3 * MIB + 1}\n`);
});

Deno.test("sourceBackend() sends the pattern and goes on reading after its own FIN", async () => {
  await using backend = sourceBackend(3 * MIB + 1);
  using client = await openClient(backend.addr);
  await client.send(latin1("go"));
  const digest = await client.digestToEnd();
  assert.deepEqual(digest, { bytes: 3 * MIB + 1, sha256: patternSha256(3 * MIB + 1), end: "fin" });
  await client.send(latin1("more"));
  await client.finish();
  const record = await backend.connection(0);
  assert.equal(await record.ended, "fin");
  assert.equal(record.bytesReceived, 6);
});

Deno.test("resettingBackend() ends with a RST that RawClient tells from a FIN", async () => {
  await using backend = await resettingBackend();
  const answer = await exchange(backend.addr, latin1("x"));
  assert.deepEqual([answer.bytes.length, answer.end], [0, "reset"]);
});

Deno.test("unreachableBackend() neither accepts nor refuses", async () => {
  await using backend = await unreachableBackend();
  const signal = AbortSignal.timeout(500);
  await assert.rejects(Deno.connect({ port: backend.port, signal }), { name: "TimeoutError" });
});
