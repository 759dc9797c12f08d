/**
 * Goal: without libc everything has a way on. Method: nothing here ever loads it.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  armAlarm,
  clockErrorMs,
  closeDescriptor,
  createMemoryFile,
  descriptorOf,
  duplicateDescriptor,
  fileLimit,
  findConnections,
  ignoreSignal,
  isReadable,
  loadNative,
  mapMemoryFile,
  monotonicMs,
  peerCredentials,
  resetSocket,
  setCloseOnExec,
  setInheritedOptions,
} from "../../src/net/native.ts";
import { closeQuietly, Resetter } from "../../src/net/reset.ts";

Deno.test("native functions say so when libc isn't there", () => {
  assert.equal(loadNative(["libno-such-thing.so", "libnor-this.so"]), false);
  assert.equal(resetSocket(0), false);
  assert.equal(duplicateDescriptor(0), undefined);
  assert.equal(setCloseOnExec(0), false);
  assert.equal(setInheritedOptions(443), false);
  assert.equal(findConnections(new Set(["1-2-3"])), undefined);
  assert.equal(peerCredentials(0), undefined);
  assert.equal(clockErrorMs(), undefined);
  assert.equal(isReadable(0), false);
  ignoreSignal(1);
  assert.equal(fileLimit(), 1_024);
  assert.ok(Math.abs(monotonicMs() - performance.now()) < 1_000);
  const code = { name: "ProxyError", code: "unavailable" };
  assert.throws(() => createMemoryFile("none", 4_096), code);
  assert.throws(() => mapMemoryFile(0, 4_096), code);
  armAlarm(1);
  closeDescriptor(0);
});

Deno.test("Resetter.reset() closes plainly when libc isn't there, and says so once", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { hostname, port } = listener.addr;
  let fallbacks = 0;
  const resetter = new Resetter(() => fallbacks++);
  for (let round = 0; round < 3; round++) {
    for (const isAccepted of [true, false]) {
      const [dialled, accepted] = await Promise.all([Deno.connect({ hostname, port }), listener.accept()]);
      assert.equal(descriptorOf(accepted) !== undefined, true);
      const [own, peer] = isAccepted ? [accepted, dialled] : [dialled, accepted];
      resetter.reset(own);
      assert.equal(await peer.read(new Uint8Array(1)), null, "a FIN");
      peer.close();
      closeQuietly(own);
    }
  }
  assert.equal(fallbacks, 1);
});
