import assert from "node:assert/strict";
import fc from "fast-check";
import { type ClientHello, type ClientHelloOutcome, ClientHelloReader } from "../../src/wire/client_hello.ts";
import { records } from "./client_hello_builder.ts";
import recordedHellos from "./client_hellos.json" with { type: "json" };

/** Hellos of real clients, made by `record_hellos.ts`. */
const HELLOS = recordedHellos.map((hello) => ({ ...hello, bytes: Uint8Array.fromHex(hello.hex) }));

function push(...pieces: readonly Uint8Array[]): ClientHelloOutcome {
  const reader = new ClientHelloReader();
  let outcome = reader.push(new Uint8Array(0));
  for (const piece of pieces) outcome = reader.push(piece);
  return outcome;
}

function expectHello(outcome: ClientHelloOutcome): ClientHello {
  assert.equal(outcome.kind, "hello");
  assert(outcome.kind === "hello");
  return outcome.hello;
}

/** The handshake message of a hello that was recorded in one record. */
function message(bytes: Uint8Array): Uint8Array {
  assert.equal(bytes.length, 5 + ((bytes[3]! << 8) | bytes[4]!));
  return bytes.subarray(5);
}

Deno.test("ClientHelloReader reads the hellos of real clients", async (t) => {
  for (const { origin, version, serverName, alpnProtocols, bytes } of HELLOS) {
    await t.step(`${origin}, ${version}`, () => {
      const hello = expectHello(push(bytes));
      assert.equal(hello.serverName ?? null, serverName);
      assert.equal(hello.serverNameAsSent ?? null, serverName);
      assert.deepEqual(hello.alpnProtocols, alpnProtocols);
    });
  }
});

Deno.test("client_hellos.json has a post-quantum hello that needs two TCP segments", () => {
  const X25519MLKEM768 = "11ec";
  assert(HELLOS.some(({ bytes, hex }) => bytes.length > 1_460 && hex.includes(X25519MLKEM768)));
});

Deno.test("ClientHelloReader gives the same hello when TCP splits it at any byte", () => {
  for (const { bytes } of HELLOS) {
    const expected = push(bytes);
    for (let at = 1; at < bytes.length; at++) {
      assert.deepEqual(push(bytes.subarray(0, at)), { kind: "need_more" });
      assert.deepEqual(push(bytes.subarray(0, at), bytes.subarray(at)), expected);
    }
  }
});

Deno.test("ClientHelloReader gives the same hello over 1..n records", () => {
  for (const { bytes } of HELLOS) {
    const expected = push(bytes);
    const whole = message(bytes);
    for (let recordBytes = 1; recordBytes <= whole.length; recordBytes += 1 + (recordBytes >> 4)) {
      const spread = records(whole, recordBytes);
      assert.deepEqual(push(spread), expected);
      assert.deepEqual(push(spread.subarray(0, -1)), { kind: "need_more" });
    }
  }
});

Deno.test("ClientHelloReader gives the same hello however records and segments cut it", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 20 });
  fc.assert(
    fc.property(fc.constantFrom(...HELLOS), fc.integer({ min: 1, max: 600 }), cuts, (hello, size, sizes) => {
      const spread = records(message(hello.bytes), size);
      const pieces: Uint8Array[] = [];
      let at = 0;
      for (const length of sizes) pieces.push(spread.subarray(at, at += length));
      assert.deepEqual(push(...pieces, spread.subarray(at)), push(hello.bytes));
    }),
  );
});

Deno.test("ClientHelloReader never throws on a hello with one byte changed", () => {
  for (const { bytes } of HELLOS) {
    const changed = bytes.slice();
    for (let at = 0; at < changed.length; at++) {
      for (let change = 1; change < 256; change++) {
        changed[at] = bytes[at]! ^ change;
        checkAnyOutcome(push(changed));
      }
      changed[at] = bytes[at]!;
    }
    assert.deepEqual(push(changed), push(bytes));
  }
});

Deno.test("ClientHelloReader never throws on any bytes, and judges them alike whole and in pieces", () => {
  const likeHello = fc.tuple(
    fc.constantFrom(...HELLOS.map((hello) => hello.bytes)),
    fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { minLength: 1, maxLength: 6 }),
  ).map(([bytes, edits]) => {
    const edited = bytes.slice();
    for (const [at, value] of edits) edited[at % edited.length] = value;
    return edited;
  });
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 400 }), likeHello);
  fc.assert(
    fc.property(bytes, fc.nat(400), (input, at) => {
      const outcome = push(input);
      checkAnyOutcome(outcome);
      assert.deepEqual(push(input.subarray(0, at), input.subarray(at)), outcome);
    }),
    { numRuns: 500 },
  );
});

function checkAnyOutcome(outcome: ClientHelloOutcome): void {
  if (outcome.kind === "invalid") {
    assert(["not_tls", "hello_malformed", "hello_too_large"].includes(outcome.reason));
  } else if (outcome.kind === "hello") {
    assert.equal(outcome.hello.serverName === undefined, outcome.hello.serverNameAsSent === undefined);
  } else {
    assert.equal(outcome.kind, "need_more");
  }
}
