import assert from "node:assert/strict";
import { Signals } from "../../src/control/signals.ts";
import { loadNative } from "../../src/net/native.ts";
import { ignoreUserSignals } from "../../src/net/user_signals.ts";

// What `Signals` leaves behind in a process is not its tests' leak.
loadNative();
ignoreUserSignals();

// This process must outlive them, whatever `Signals` does. SIGINT is the test runner's own; tests/e2e sends it.
for (const signal of ["SIGTERM", "SIGHUP"] as const) Deno.addSignalListener(signal, () => {});

/** Sends this process a signal and lets its listeners run. */
async function send(signal: Deno.Signal): Promise<void> {
  const arrived = Promise.withResolvers<void>();
  Deno.addSignalListener(signal, arrived.resolve);
  // A listener alone doesn't keep the event loop alive.
  const deadline = setTimeout(() => arrived.reject(new Error(`${signal} didn't arrive`)), 10_000);
  Deno.kill(Deno.pid, signal);
  await arrived.promise;
  clearTimeout(deadline);
  Deno.removeSignalListener(signal, arrived.resolve);
}

async function isSettled(promise: Promise<void>): Promise<boolean> {
  const later = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 0));
  return await Promise.race([promise.then(() => true), later]);
}

Deno.test("Signals tells the second stop from one that is delivered twice", async () => {
  let nowMs = 0;
  using signals = new Signals(() => nowMs);
  assert.equal(await isSettled(signals.stop), false);
  await send("SIGTERM");
  await signals.stop;
  nowMs = 1_000;
  await send("SIGTERM");
  assert.equal(await isSettled(signals.secondStop), false);
  nowMs = 1_001;
  await send("SIGTERM");
  await signals.secondStop;
});

Deno.test("Signals hands on SIGHUP to whoever wants it and else ignores it", async () => {
  using signals = new Signals();
  await send("SIGHUP");
  let hangups = 0;
  signals.onHangup = () => void hangups++;
  await send("SIGHUP");
  assert.equal(hangups, 1);
  assert.equal(await isSettled(signals.stop), false);
});
