/**
 * Feeds mutated hellos of real clients to the ClientHello parser.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  CLIENT_HELLO_LIMITS,
  type ClientHelloOutcome,
  ClientHelloReader,
} from "../../src/wire/client_hello.ts";
import { canonicalServerName } from "../../src/wire/server_name.ts";
import {
  alpnExtension,
  clientHelloMessage,
  records,
  serverNameExtension,
} from "../wire/client_hello_builder.ts";
import recordedHellos from "../wire/client_hellos.json" with { type: "json" };
import { checkInput, cut, mutate, type Random } from "./mutate.ts";

const WHOLE = recordedHellos.map((hello) => Uint8Array.fromHex(hello.hex));
const SMALL = clientHelloMessage({ extensions: [serverNameExtension("a.example"), alpnExtension("h2")] });
const INPUTS = [
  ...WHOLE,
  ...WHOLE.map((bytes) => records(bytes.subarray(5), 100)),
  ...WHOLE.map((bytes) => records(bytes.subarray(5), 1)),
  ...[1, 7, 16_384].map((recordBytes) => records(SMALL, recordBytes)),
];

/** Throws when an outcome depends on how the bytes were cut, or breaks a promise of the parser. */
export function fuzz(count: number, random: Random): void {
  for (let round = 0; round < count; round++) {
    checkInput(mutate(INPUTS, random), (bytes) => check(bytes, random));
  }
}

function check(bytes: Uint8Array, random: Random): void {
  const outcome = new ClientHelloReader().push(bytes);
  checkOutcome(outcome, bytes);
  const reader = new ClientHelloReader();
  let last: ClientHelloOutcome = { kind: "need_more" };
  // The caller may reuse its buffer: what was given is worthless after the call.
  const buffer = new Uint8Array(bytes.length);
  for (const piece of cut(bytes, random)) {
    const given = buffer.subarray(0, piece.length);
    given.set(piece);
    last = reader.push(given);
    given.fill(0x16);
  }
  assert.deepEqual(last, outcome, "in pieces it differs");
}

function checkOutcome(outcome: ClientHelloOutcome, bytes: Uint8Array): void {
  if (outcome.kind === "need_more") {
    assert(bytes.length <= CLIENT_HELLO_LIMITS.rawBytesMax, "needs more beyond the limit");
    return;
  }
  if (outcome.kind === "invalid") return;
  const { serverName, serverNameAsSent, alpnProtocols } = outcome.hello;
  const canonical = serverNameAsSent === undefined ? undefined : canonicalServerName(serverNameAsSent);
  assert.equal(serverName, canonical);
  const alpnBytes = alpnProtocols.reduce((length, protocol) => length + protocol.length + 1, 0);
  assert(alpnBytes <= bytes.length, "more protocols than bytes");
}
