import assert from "node:assert/strict";
import { Deadlines } from "../../src/net/deadlines.ts";
import { dial } from "../../src/net/dial.ts";
import { unreachableBackend } from "../support/backends.ts";
import { freePort } from "../support/ports.ts";

const LIMITS = { connectTimeoutMs: 5_000, dialTimeoutMs: 10_000 };

/** How a dial ends, its connection closed. */
async function outcome(host: string, port: number, limits: Partial<typeof LIMITS> = {}): Promise<string> {
  using deadlines = new Deadlines();
  const dialled = await dial({ host, port }, { ...LIMITS, ...limits, deadlines });
  if (dialled.kind === "connected") dialled.conn.close();
  return dialled.kind;
}

Deno.test("dial() connects to a literal and to a name", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  for (const host of ["127.0.0.1", "localhost"]) {
    const [conn, kind] = await Promise.all([listener.accept(), outcome(host, listener.addr.port)]);
    assert.equal(kind, "connected", host);
    conn.close();
  }
});

Deno.test("dial() fails at once where nobody listens or no name is", async () => {
  const port = freePort();
  assert.equal(await outcome("127.0.0.1", port), "dial_failed");
  assert.equal(await outcome("localhost", port), "dial_failed");
  assert.equal(await outcome("nobody.invalid", port), "dial_failed");
});

Deno.test("dial() gives up after the shorter of its two limits", async () => {
  await using backend = await unreachableBackend();
  const limits: [string, Partial<typeof LIMITS>][] = [
    ["127.0.0.1", { connectTimeoutMs: 200 }],
    ["127.0.0.1", { dialTimeoutMs: 200 }],
    ["localhost", { dialTimeoutMs: 200 }],
  ];
  for (const [host, limit] of limits) {
    const startedMs = performance.now();
    assert.equal(await outcome(host, backend.port, limit), "dial_timeout", host);
    const elapsedMs = performance.now() - startedMs;
    assert.ok(elapsedMs >= 200 && elapsedMs < 3_000, `${host}: ${elapsedMs} ms`);
  }
});
