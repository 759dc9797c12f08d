import assert from "node:assert/strict";
import {
  CLIENT_HELLO_LIMITS,
  type ClientHelloFault,
  type ClientHelloLimits,
  type ClientHelloOutcome,
  ClientHelloReader,
  newestVersion,
} from "../../src/wire/client_hello.ts";
import {
  alpnExtension,
  clientHelloMessage,
  concat,
  extension,
  type HelloParts,
  latin1,
  record,
  records,
  serverNameExtension,
  vector16,
  vector8,
} from "./client_hello_builder.ts";

const SNI = serverNameExtension("git.example.org");
const MESSAGE = clientHelloMessage({ extensions: [SNI] });
const GREASE = extension(0x0a0a);

function read(bytes: Uint8Array, limits?: ClientHelloLimits): ClientHelloOutcome {
  const whole = new ClientHelloReader(limits).push(bytes);
  const reader = new ClientHelloReader(limits);
  let last: ClientHelloOutcome = { kind: "need_more" };
  for (let at = 0; at < bytes.length; at++) last = reader.push(bytes.subarray(at, at + 1));
  assert.deepEqual(last, whole, "byte by byte differs from whole");
  return whole;
}

function check(
  bytes: Uint8Array,
  expected: ClientHelloFault | "need_more" | "no name" | { name: string },
): void {
  const outcome = read(bytes);
  if (expected === "need_more") assert.equal(outcome.kind, "need_more");
  else if (typeof expected === "string" && expected !== "no name") {
    assert.deepEqual(outcome, { kind: "invalid", reason: expected });
  } else {
    assert.equal(outcome.kind, "hello");
    assert(outcome.kind === "hello");
    assert.equal(outcome.hello.serverName, expected === "no name" ? undefined : expected.name);
  }
}

const NAMED = { name: "git.example.org" };

const HELLOS: readonly [name: string, parts: HelloParts, expected: Parameters<typeof check>[1]][] = [
  ["an ordinary one", { extensions: [SNI] }, NAMED],
  ["no extension block", {}, "no name"],
  ["an empty extension block", { extensions: [] }, "no name"],
  ["no server_name", { extensions: [alpnExtension("h2")] }, "no name"],
  ["upper case and a trailing dot", { extensions: [serverNameExtension("Git.Example.ORG.")] }, NAMED],
  ["no session id", { extensions: [SNI], sessionId: new Uint8Array(0) }, NAMED],
  ["a session id over 32", { extensions: [SNI], sessionId: new Uint8Array(33) }, "hello_malformed"],
  ["no cipher suite", { extensions: [SNI], cipherSuites: new Uint8Array(0) }, "hello_malformed"],
  ["half a cipher suite", { extensions: [SNI], cipherSuites: new Uint8Array(3) }, "hello_malformed"],
  ["no compression method", { extensions: [SNI], compressionMethods: new Uint8Array(0) }, "hello_malformed"],
  ["bytes behind the extensions", { extensions: [SNI], trailing: Uint8Array.of(0) }, "hello_malformed"],
  ["one byte of an extension block", { trailing: Uint8Array.of(0) }, "hello_malformed"],
  ["another message", { extensions: [SNI], messageType: 2 }, "hello_malformed"],
  ["two GREASE values", { extensions: [GREASE, SNI, extension(0x1a1a, Uint8Array.of(0))] }, NAMED],
  ["the same GREASE value twice", { extensions: [GREASE, SNI, GREASE] }, "hello_malformed"],
  ["two server_name extensions", { extensions: [SNI, SNI] }, "hello_malformed"],
  ["two names", { extensions: [serverNameExtension("a.example", "b.example")] }, "hello_malformed"],
  ["the same name twice", { extensions: [serverNameExtension("a.example", "a.example")] }, "hello_malformed"],
  ["an empty name list", { extensions: [serverNameExtension()] }, "hello_malformed"],
  ["an empty server_name", { extensions: [extension(0)] }, "hello_malformed"],
  ["an empty name", { extensions: [serverNameExtension("")] }, "hello_malformed"],
  ["a dot", { extensions: [serverNameExtension(".")] }, "hello_malformed"],
  ["an IPv4 literal", { extensions: [serverNameExtension("192.0.2.1")] }, "hello_malformed"],
  ["an IPv6 literal", { extensions: [serverNameExtension("2001:db8::1")] }, "hello_malformed"],
  ["an embedded NUL", { extensions: [serverNameExtension("a.example\0.b")] }, "hello_malformed"],
  ["a UTF-8 name", { extensions: [serverNameExtension("m\xc3\xbcnchen.example")] }, "hello_malformed"],
  ["a label of 64", { extensions: [serverNameExtension("a".repeat(64) + ".example")] }, "hello_malformed"],
  ["a name of 256", { extensions: [serverNameExtension("a.".repeat(128))] }, "hello_malformed"],
  ["a name of 16,000", { extensions: [serverNameExtension("a".repeat(16_000))] }, "hello_malformed"],
  [
    "another name type",
    { extensions: [extension(0, vector16(Uint8Array.of(1), vector16(latin1("a.example"))))] },
    "hello_malformed",
  ],
  [
    "another name type after the name",
    { extensions: [extension(0, vector16(Uint8Array.of(0, 0, 1, 0x61, 1, 0, 1, 0x62)))] },
    "hello_malformed",
  ],
  [
    "bytes behind the name list",
    { extensions: [extension(0, vector16(Uint8Array.of(0, 0, 1, 0x61)), Uint8Array.of(0))] },
    "hello_malformed",
  ],
  ["an extension that is cut off", { extensions: [SNI, Uint8Array.of(0, 43, 0, 1)] }, "hello_malformed"],
  ["an extension header that is cut off", { extensions: [SNI, Uint8Array.of(0, 43, 0)] }, "hello_malformed"],
  ["an empty ALPN extension", { extensions: [SNI, extension(16)] }, "hello_malformed"],
  ["an empty ALPN list", { extensions: [SNI, alpnExtension()] }, "hello_malformed"],
  ["an empty ALPN name", { extensions: [SNI, alpnExtension("h2", "")] }, "hello_malformed"],
  [
    "an ALPN name that is cut off",
    { extensions: [SNI, extension(16, vector16(Uint8Array.of(2, 0x68)))] },
    "hello_malformed",
  ],
  ["pre_shared_key last", { extensions: [SNI, extension(41, Uint8Array.of(0))] }, NAMED],
  ["pre_shared_key before others", { extensions: [extension(41, Uint8Array.of(0)), SNI] }, "hello_malformed"],
];

Deno.test("ClientHelloReader judges the content of a hello", async (t) => {
  for (const [name, parts, expected] of HELLOS) {
    await t.step(name, () => check(records(clientHelloMessage(parts), 16_384), expected));
  }
});

const STREAMS: readonly [name: string, bytes: Uint8Array, expected: Parameters<typeof check>[1]][] = [
  ["nothing", new Uint8Array(0), "need_more"],
  ["one byte", Uint8Array.of(22), "need_more"],
  ["HTTP", latin1("GET / HTTP/1.1\r\n"), "not_tls"],
  ["an SSLv2 hello", Uint8Array.of(0x80, 0x2e, 1, 0, 2), "not_tls"],
  ["an alert", Uint8Array.of(21, 3, 3, 0, 2, 1, 0), "not_tls"],
  ["another major version", concat(Uint8Array.of(22, 2), record(MESSAGE).subarray(2)), "not_tls"],
  ["any minor version", record(MESSAGE, 22, 0x03ff), NAMED],
  ["an empty record", concat(record(new Uint8Array(0)), record(MESSAGE)), "hello_malformed"],
  [
    "an empty record within",
    concat(record(MESSAGE.subarray(0, 9)), record(new Uint8Array(0)), record(MESSAGE.subarray(9))),
    "hello_malformed",
  ],
  [
    "another record type within",
    concat(record(MESSAGE.subarray(0, 9)), record(Uint8Array.of(1), 20), record(MESSAGE.subarray(9))),
    "hello_malformed",
  ],
  [
    "another version within",
    concat(record(MESSAGE.subarray(0, 9)), record(MESSAGE.subarray(9), 22, 0x0403)),
    "hello_malformed",
  ],
  ["a record over 2^14", Uint8Array.of(22, 3, 1, 0x40, 0x01), "hello_too_large"],
  [
    "a hello at the start of a record over 2^14",
    record(concat(MESSAGE, new Uint8Array(16_384))),
    "hello_too_large",
  ],
  ["a record of 2^14", Uint8Array.of(22, 3, 1, 0x40, 0x00), "need_more"],
  ["a message over 2^14", Uint8Array.of(22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfd), "hello_too_large"],
  ["a message of 2^14", Uint8Array.of(22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc), "need_more"],
  ["a message over 2^16", Uint8Array.of(22, 3, 1, 0x40, 0, 1, 1, 0, 0), "hello_too_large"],
  ["data behind the hello", concat(record(MESSAGE), new Uint8Array(70_000).fill(0x17)), NAMED],
  ["a second message in the record", record(concat(MESSAGE, Uint8Array.of(2, 0, 0, 0))), NAMED],
];

Deno.test("ClientHelloReader judges the records around a hello", async (t) => {
  for (const [name, bytes, expected] of STREAMS) await t.step(name, () => check(bytes, expected));
});

Deno.test("ClientHelloReader reports all that a hello says", () => {
  const ech = extension(0xfe0d, Uint8Array.of(1, 2, 3));
  const alpn = alpnExtension("h2", "http/1.1", "\xff\0");
  const message = clientHelloMessage({ extensions: [ech, serverNameExtension("Git.Example.ORG."), alpn] });
  assert.deepEqual(read(record(message)), {
    kind: "hello",
    hello: {
      legacyVersion: 0x0303,
      serverName: "git.example.org",
      serverNameAsSent: "Git.Example.ORG.",
      alpnProtocols: ["h2", "http/1.1", "\xff\0"],
      echOffered: true,
    },
  });
  assert.deepEqual(read(record(clientHelloMessage({}))), {
    kind: "hello",
    hello: { legacyVersion: 0x0303, alpnProtocols: [], echOffered: false },
  });
});

Deno.test("ClientHelloReader holds its limits exactly", async (t) => {
  const wide = (limits: Partial<ClientHelloLimits>) => ({ ...CLIENT_HELLO_LIMITS, ...limits });
  const threeRecords = records(MESSAGE, Math.ceil(MESSAGE.length / 3));
  const rows: readonly [string, Uint8Array, Partial<ClientHelloLimits>, string][] = [
    ["message at its limit", record(MESSAGE), { messageBytesMax: MESSAGE.length }, "hello"],
    ["message over its limit", record(MESSAGE), { messageBytesMax: MESSAGE.length - 1 }, "invalid"],
    ["raw bytes at their limit", record(MESSAGE), { rawBytesMax: MESSAGE.length + 5 }, "hello"],
    ["raw bytes over their limit", record(MESSAGE), { rawBytesMax: MESSAGE.length + 4 }, "invalid"],
    ["spread raw bytes at their limit", threeRecords, { rawBytesMax: threeRecords.length }, "hello"],
    ["spread raw bytes over their limit", threeRecords, { rawBytesMax: threeRecords.length - 1 }, "invalid"],
    ["records at their limit", threeRecords, { recordsMax: 3 }, "hello"],
    ["records over their limit", threeRecords, { recordsMax: 2 }, "invalid"],
  ];
  for (const [name, bytes, limits, kind] of rows) {
    await t.step(name, () => {
      const outcome = read(bytes, wide(limits));
      assert.equal(outcome.kind, kind);
      if (outcome.kind === "invalid") assert.equal(outcome.reason, "hello_too_large");
    });
  }
  await t.step("the largest hello that the defaults allow", () => {
    const padding = 16_384 - MESSAGE.length - 4;
    const large = clientHelloMessage({ extensions: [SNI, extension(21, new Uint8Array(padding))] });
    assert.equal(large.length, 16_384);
    check(records(large, 16_384), NAMED);
    check(records(large, 6), NAMED);
    check(records(large, 1), "hello_too_large"); // 6 raw bytes for one
  });
});

Deno.test("ClientHelloReader keeps its outcome whatever follows", () => {
  const reader = new ClientHelloReader();
  const outcome = reader.push(record(MESSAGE));
  assert.equal(reader.push(latin1("GET /")), outcome);
  const refused = new ClientHelloReader();
  refused.push(Uint8Array.of(0));
  assert.deepEqual(refused.push(record(MESSAGE)), { kind: "invalid", reason: "not_tls" });
});

Deno.test("ClientHelloReader keeps no view of the bytes given", () => {
  const reader = new ClientHelloReader();
  const bytes = record(MESSAGE);
  const buffer = new Uint8Array(40);
  let outcome: ClientHelloOutcome = { kind: "need_more" };
  for (let at = 0; at < bytes.length; at += buffer.length) {
    const piece = bytes.subarray(at, at + buffer.length);
    buffer.fill(0xff);
    buffer.set(piece);
    outcome = reader.push(buffer.subarray(0, piece.length));
  }
  assert(outcome.kind === "hello");
  assert.equal(outcome.hello.serverName, "git.example.org");
});

Deno.test("ClientHelloReader takes the session id, cipher suites and names at their largest", () => {
  const parts: HelloParts = {
    sessionId: new Uint8Array(32),
    cipherSuites: new Uint8Array(8_000),
    compressionMethods: new Uint8Array(255),
    extensions: [SNI, extension(16, vector16(vector8(new Uint8Array(255))))],
  };
  check(record(clientHelloMessage(parts)), NAMED);
});

Deno.test("newestVersion() goes by supported_versions alone where it is, else by legacy_version up to TLS 1.2", () => {
  const none = { alpnProtocols: [], echOffered: false };
  const rows: readonly [legacyVersion: number, supported: number | undefined, newest: number][] = [
    [0x0303, undefined, 0x0303],
    [0x0304, undefined, 0x0303],
    [0x0302, undefined, 0x0302],
    [0x0301, 0x0304, 0x0304],
    [0x0303, 0x0302, 0x0302],
    [0x0303, 0, 0],
  ];
  for (const [legacyVersion, supported, newest] of rows) {
    const hello = { ...none, legacyVersion, ...supported !== undefined && { newestVersion: supported } };
    assert.equal(newestVersion(hello), newest, `${legacyVersion} ${supported}`);
  }
});
