/**
 * Goal: a backend's RST reaches the client as a RST, and nothing else is said of it.
 * Method: a backend that resets as soon as it has the hello; the program must have been quiet.
 *
 * @module
 */

import assert from "node:assert/strict";
import { resettingBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { serveQuietly } from "../support/quiet.ts";
import { openClient } from "../support/raw_client.ts";

const HELLO = clientHello({ serverName: "a.test" });

Deno.test("a backend's RST reaches the client as a RST", async () => {
  await using backend = await resettingBackend();
  const [event] = await serveQuietly(
    { listeners: [{ routes: [{ hostname: "a.test", backend: backend.addr }] }] },
    async ({ addr, program }) => {
      using client = await openClient(addr);
      await client.send(HELLO);
      assert.deepEqual(await client.readToEnd(), { bytes: new Uint8Array(), end: "reset" });
      await program.connectionEvent();
    },
  );
  assert.deepEqual([event!["reason"], event!["bytes_received"]], ["backend_reset", HELLO.length]);
});
