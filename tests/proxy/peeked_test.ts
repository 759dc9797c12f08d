import assert from "node:assert/strict";
import { Peeked } from "../../src/proxy/peeked.ts";
import { bytes, latin1 } from "../support/client_hello.ts";
import { fillPattern } from "../support/pattern.ts";
import { accept } from "./accepted.ts";

/** The first `count` bytes of a stream in which every position can be told. */
function pattern(count: number): Uint8Array {
  const all = new Uint8Array(count);
  fillPattern(all, 0);
  return all;
}

async function sendAll(client: Deno.TcpConn, data: Uint8Array): Promise<void> {
  for (let sent = 0; sent < data.length;) sent += await client.write(data.subarray(sent));
}

Deno.test("Peeked.readMore() returns what came and keeps it, however much that is", async () => {
  for (const count of [1, 2_047, 2_048, 2_049, 4_096, 50_000]) {
    using accepted = await accept();
    const { client, connection } = accepted;
    const peeked = new Peeked(connection);
    assert.equal(peeked.bytes.length, 0);
    const all = pattern(count);
    const sending = sendAll(client, all);
    const parts: Uint8Array[] = [];
    while (peeked.bytes.length < count) {
      const part = await peeked.readMore("hello_eof");
      assert.ok(typeof part !== "string");
      parts.push(part.slice());
    }
    await sending;
    assert.deepEqual(new Uint8Array(peeked.bytes), all);
    assert.deepEqual(bytes(...parts), all);
    assert.equal(connection.bytesReceived, count);
  }
});

Deno.test("Peeked.take() takes bytes off the front, across a growth of the buffer", async () => {
  using accepted = await accept();
  const { client, connection } = accepted;
  const peeked = new Peeked(connection);
  const all = pattern(10_000);
  const sending = sendAll(client, all);
  let taken = 0;
  while (taken + peeked.bytes.length < all.length) {
    await peeked.readMore("hello_eof");
    if (taken > 5_000) continue;
    const count = Math.min(700, peeked.bytes.length);
    peeked.take(count);
    taken += count;
  }
  await sending;
  assert.ok(taken > 0);
  assert.deepEqual(new Uint8Array(peeked.bytes), all.slice(taken));
});

Deno.test("Peeked.readMore() gives the reason that it was told at the client's end, and keeps what came before", async () => {
  using accepted = await accept();
  const { client, connection } = accepted;
  const peeked = new Peeked(connection);
  await client.write(latin1("abc"));
  await client.closeWrite();
  while (peeked.bytes.length < 3) await peeked.readMore("proxy_header_invalid");
  assert.equal(await peeked.readMore("proxy_header_invalid"), "proxy_header_invalid");
  assert.equal(new TextDecoder().decode(peeked.bytes), "abc");
});

Deno.test("Peeked.readMore() gives the reason of whoever ended the connection meanwhile", async () => {
  using accepted = await accept();
  const { connection } = accepted;
  const reading = new Peeked(connection).readMore("hello_eof");
  connection.end("drained");
  assert.equal(await reading, "drained");
});

Deno.test("Peeked.giveBuffer() hands its memory over and keeps nothing", async () => {
  using accepted = await accept();
  const { client, connection } = accepted;
  const peeked = new Peeked(connection);
  const all = pattern(3_000);
  await sendAll(client, all);
  while (peeked.bytes.length < all.length) await peeked.readMore("hello_eof");
  const { buffer } = peeked.bytes;
  assert.equal(peeked.giveBuffer(), buffer);
  assert.equal(peeked.bytes.length, 0);
  assert.equal(peeked.bytes.buffer.byteLength, 0);
});
