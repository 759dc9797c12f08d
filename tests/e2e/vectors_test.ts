/**
 * Goal: hellos of real clients reach the backend of their name and no other, unaltered, however they are delivered.
 * Method: what OpenSSL, curl, Node, Deno, Python and Go sent once, also cut anew into records of several sizes, goes
 * through the same runner as the vectors of others (`deno task vectors`): a route and a recording backend for each
 * name; whole, in two halves, byte by byte, and with FIN right after it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { records } from "../support/client_hello.ts";
import { DELIVERIES } from "../vectors/hello_deliveries.ts";
import type { ClientHelloVector } from "../vectors/client_hello_vectors.ts";
import { runClientHellos } from "../vectors/running_hellos.ts";
import recordedHellos from "../wire/client_hellos.json" with { type: "json" };

const RECORD_BYTES = [1, 5, 100, 1_000, 16_384];

const VECTORS: readonly ClientHelloVector[] = recordedHellos.flatMap(
  ({ origin, serverName, alpnProtocols, hex }) =>
    RECORD_BYTES.map((recordBytes) => ({
      name: `${origin} in records of ${recordBytes} bytes`,
      source: origin,
      expect: serverName === null ? "nosni" : "route",
      route_key: serverName,
      alpn: alpnProtocols,
      // Each was recorded in one record.
      hex: records(Uint8Array.fromHex(hex).subarray(5), recordBytes).toHex(),
    })),
);

Deno.test("hellos of real clients reach the backend of their name unaltered, however they come", async () => {
  const { checked, wrong } = await runClientHellos(VECTORS);
  assert.deepEqual(wrong, []);
  assert.equal(checked, recordedHellos.length * RECORD_BYTES.length * DELIVERIES.length);
});
