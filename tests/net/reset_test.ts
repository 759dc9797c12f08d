import assert from "node:assert/strict";
import { descriptorOf, loadNative } from "../../src/net/native.ts";
import { closeQuietly, Resetter } from "../../src/net/reset.ts";
import { tcpSockets } from "./tcp_sockets.ts";

loadNative();

/** One connection; `own` is the end that is reset. */
interface Connection {
  readonly own: Deno.TcpConn;
  readonly peer: Deno.TcpConn;
}

type Side = "accepted" | "dialled";

async function connect(side: Side, hostname = "127.0.0.1"): Promise<Connection> {
  using listener = Deno.listen({ hostname, port: 0 });
  const { port } = listener.addr;
  const [dialled, accepted] = await Promise.all([Deno.connect({ hostname, port }), listener.accept()]);
  return side === "accepted" ? { own: accepted, peer: dialled } : { own: dialled, peer: accepted };
}

/** How the peer saw the end. */
async function endAt(peer: Deno.TcpConn): Promise<string> {
  try {
    return await peer.read(new Uint8Array(1)) === null ? "FIN" : "a byte";
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  } finally {
    peer.close();
  }
}

function failing(): Resetter {
  return new Resetter(() => assert.fail("a reset became a plain close"));
}

Deno.test("Resetter.reset() lets the peer see ECONNRESET and closes the connection", async () => {
  const before = tcpSockets();
  for (const side of ["accepted", "dialled"] as const) {
    for (const hostname of ["127.0.0.1", "::1"]) {
      const { own, peer } = await connect(side, hostname);
      await own.write(Uint8Array.of(1));
      assert.equal(await peer.read(new Uint8Array(1)), 1);
      failing().reset(own);
      // One whose descriptor the runtime tells is reset at once.
      if (side === "accepted") assert.throws(() => own.close(), Deno.errors.BadResource);
      assert.equal(await endAt(peer), "ConnectionReset", `${side} ${hostname}`);
      await assert.rejects(own.read(new Uint8Array(1)), Deno.errors.BadResource);
    }
  }
  assert.equal(tcpSockets(), before);
});

Deno.test("Resetter.reset() ends a read that waits on the same connection", async () => {
  for (const side of ["accepted", "dialled"] as const) {
    const { own, peer } = await connect(side);
    const reading = own.read(new Uint8Array(1)).then(() => "ended", () => "ended");
    failing().reset(own);
    assert.equal(await endAt(peer), "ConnectionReset");
    assert.equal(await reading, "ended");
  }
});

Deno.test("Resetter.reset() of a connection that its peer has reset is no fallback", async () => {
  const { own, peer } = await connect("dialled");
  failing().reset(peer);
  await assert.rejects(own.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  const resetter = failing();
  resetter.reset(own);
  resetter.flush();
  assert.throws(() => own.close(), Deno.errors.BadResource);
});

/** The same connection in a runtime that keeps its descriptor to itself. */
function withoutDescriptor(conn: Deno.TcpConn, remoteHost = conn.remoteAddr.hostname): Deno.TcpConn {
  const { localAddr, remoteAddr } = conn;
  return {
    localAddr,
    remoteAddr: { ...remoteAddr, hostname: remoteHost },
    close: () => conn.close(),
  } as Deno.TcpConn;
}

Deno.test("Resetter.reset() searches an accepted connection whose descriptor isn't told", async () => {
  const { own, peer } = await connect("accepted");
  const resetter = failing();
  resetter.reset(withoutDescriptor(own));
  assert.equal(await endAt(peer), "ConnectionReset");
});

Deno.test("Resetter.reset() closes plainly what can't be found by its address, and says so once", async () => {
  let fallbacks = 0;
  const resetter = new Resetter(() => fallbacks++);
  for (let round = 0; round < 3; round++) {
    const { own, peer } = await connect("accepted");
    resetter.reset(withoutDescriptor(own, "a name"));
    assert.equal(await endAt(peer), "FIN");
  }
  assert.equal(fallbacks, 1);
});

Deno.test("Resetter.reset() finds dialled connections among many, all of them and no other", async () => {
  const pairs = await Promise.all(Array.from({ length: 40 }, () => connect("dialled")));
  const resetter = failing();
  const [doomed, spared] = [pairs.slice(0, 20), pairs.slice(20)];
  for (const { own: dialled } of doomed) {
    assert.equal(descriptorOf(dialled), undefined, "else this test has to be another");
    resetter.reset(dialled);
  }
  for (const { peer } of doomed) assert.equal(await endAt(peer), "ConnectionReset");
  for (const { own: dialled, peer: accepted } of spared) {
    await dialled.write(Uint8Array.of(7));
    const byte = new Uint8Array(1);
    assert.deepEqual([await accepted.read(byte), byte[0]], [1, 7]);
    accepted.close();
    dialled.close();
  }
});

Deno.test("Resetter.flush() resets at once what waits, and only once", async () => {
  const { own: dialled, peer: accepted } = await connect("dialled");
  const resetter = failing();
  resetter.reset(dialled);
  resetter.flush();
  resetter.flush();
  assert.equal(await endAt(accepted), "ConnectionReset");
});

Deno.test("closeQuietly() closes once and takes a second close", async () => {
  const { own: dialled, peer: accepted } = await connect("dialled");
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
