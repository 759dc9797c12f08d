import assert from "node:assert/strict";
import { answerBackend, resettingBackend, silentBackend } from "./backends.ts";
import { latin1 } from "./client_hello.ts";
import { exchange, openClient, parseAlert } from "./raw_client.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("RawClient.reset() reaches the backend as a RST, disposal as a FIN", async () => {
  await using backend = silentBackend();
  const resetting = await openClient(backend.addr);
  await resetting.send(latin1("x"));
  const first = await backend.connection(0);
  resetting.reset();
  assert.equal(await first.ended, "reset");
  const closing = await openClient(backend.addr);
  closing[Symbol.dispose]();
  assert.equal(await (await backend.connection(1)).ended, "fin");
});

Deno.test("RawClient.readToEnd() keeps the bytes that came before a RST", async () => {
  await using backend = await resettingBackend({ answer: "bytes first" });
  const answer = await exchange(backend.addr, latin1("x"));
  assert.deepEqual([text(answer.bytes), answer.end], ["bytes first", "reset"]);
});

Deno.test("RawClient.readBytes() keeps what came beyond the bytes asked for", async () => {
  await using backend = answerBackend("abcdef");
  using client = await openClient(backend.addr);
  await client.send(latin1("x"));
  assert.equal(text(await client.readBytes(2)), "ab");
  assert.equal(text((await client.readToEnd()).bytes), "cdef");
  await assert.rejects(client.readBytes(1), /fin came before 1 bytes/);
});

Deno.test("RawClient.read() rejects with a TimeoutError when nothing comes", async () => {
  await using backend = silentBackend();
  using client = await openClient(backend.addr);
  await assert.rejects(client.read(20), { name: "TimeoutError" });
});

const ALERTS = [
  { name: "an alert", record: [21, 3, 3, 0, 2, 2, 112], alert: { level: 2, description: 112 } },
  { name: "an alert and more", record: [21, 3, 3, 0, 2, 2, 112, 0], alert: undefined },
  { name: "a handshake record", record: [22, 3, 3, 0, 2, 2, 112], alert: undefined },
  { name: "nothing", record: [], alert: undefined },
];

Deno.test("parseAlert() reads one alert record and nothing else", async (t) => {
  for (const { name, record, alert } of ALERTS) {
    await t.step(name, () => assert.deepEqual(parseAlert(Uint8Array.from(record)), alert));
  }
});
