import assert from "node:assert/strict";
import { descriptorOf, loadNative } from "../../src/net/native.ts";
import { closeQuietly, Resetter } from "../../src/net/reset.ts";

loadNative();

async function pair(): Promise<{ accepted: Deno.TcpConn; dialled: Deno.TcpConn }> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [dialled, accepted] = await Promise.all([
    Deno.connect({ port: listener.addr.port }),
    listener.accept(),
  ]);
  return { accepted, dialled };
}

const neverFallsBack = () => assert.fail("a reset became a plain close");

/** The other end sees ECONNRESET and not one byte. */
async function seesReset(conn: Deno.TcpConn): Promise<void> {
  await assert.rejects(conn.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  conn.close();
}

Deno.test("reset() sends RST at once on an accepted connection", async () => {
  const { accepted, dialled } = await pair();
  assert.notEqual(descriptorOf(accepted), undefined);
  new Resetter(neverFallsBack).reset(accepted);
  await seesReset(dialled);
  assert.throws(() => accepted.close(), Deno.errors.BadResource);
});

Deno.test("reset() finds dialled connections among many, all of them and no other", async () => {
  const pairs = await Promise.all(Array.from({ length: 40 }, pair));
  const resetter = new Resetter(neverFallsBack);
  const [doomed, spared] = [pairs.slice(0, 20), pairs.slice(20)];
  for (const { dialled } of doomed) {
    assert.equal(descriptorOf(dialled), undefined, "else this test has to be another");
    resetter.reset(dialled);
  }
  await Promise.all(doomed.map(({ accepted }) => seesReset(accepted)));
  for (const { accepted, dialled } of spared) {
    await dialled.write(Uint8Array.of(7));
    const byte = new Uint8Array(1);
    assert.deepEqual([await accepted.read(byte), byte[0]], [1, 7]);
    accepted.close();
    dialled.close();
  }
});

Deno.test("flush() resets at once what waits, and only once", async () => {
  const { accepted, dialled } = await pair();
  const resetter = new Resetter(neverFallsBack);
  resetter.reset(dialled);
  resetter.flush();
  resetter.flush();
  await seesReset(accepted);
});

Deno.test("closeQuietly() closes once and takes a second close", async () => {
  const { accepted, dialled } = await pair();
  closeQuietly(dialled);
  closeQuietly(dialled);
  assert.equal(await accepted.read(new Uint8Array(1)), null);
  accepted.close();
  assert.throws(() =>
    closeQuietly({
      close: () => {
        throw new TypeError("another");
      },
    }), TypeError);
});
