import assert from "node:assert/strict";
import { ByteReader } from "../../src/wire/byte_reader.ts";
import {
  type ClientHelloExtensions,
  parseClientHelloExtensions,
} from "../../src/wire/client_hello_extensions.ts";
import { alpnExtension, concat, extension, serverNameExtension } from "./client_hello_builder.ts";

const SNI = serverNameExtension("Git.Example.ORG.");

/** Parses a block that has other bytes around it, as it has in a hello. */
function parse(...extensions: readonly Uint8Array[]): ClientHelloExtensions | undefined {
  const block = concat(...extensions);
  const surrounded = concat(SNI, block, SNI);
  return parseClientHelloExtensions(new ByteReader(surrounded, SNI.length, SNI.length + block.length));
}

Deno.test("parseClientHelloExtensions() reports server name, protocols and ECH", () => {
  assert.deepEqual(parse(), { alpnProtocols: [], echOffered: false });
  assert.deepEqual(
    parse(extension(0xfe0d), extension(43, Uint8Array.of(2, 3, 4)), SNI, alpnExtension("h2", "x")),
    {
      serverName: "git.example.org",
      serverNameAsSent: "Git.Example.ORG.",
      alpnProtocols: ["h2", "x"],
      echOffered: true,
      newestVersion: 0x0304,
    },
  );
});

Deno.test("parseClientHelloExtensions() reports the newest version of TLS that is known", () => {
  const rows: readonly [content: readonly number[], newest: number | undefined][] = [
    [[2, 3, 4], 0x0304],
    [[6, 3, 1, 3, 3, 3, 2], 0x0303],
    // GREASE, a draft, DTLS and SSL 3.0 are none.
    [[10, 0x7a, 0x7a, 0x7f, 0x1c, 0xfe, 0xfd, 3, 0, 3, 5], 0],
    [[4, 0x0a, 0x0a, 3, 4], 0x0304],
    [[], undefined],
    [[0], undefined],
    [[3, 3, 4, 3], undefined],
    [[2, 3], undefined],
    [[2, 3, 4, 0], undefined],
  ];
  for (const [content, newest] of rows) {
    assert.equal(parse(extension(43, Uint8Array.from(content)))?.newestVersion, newest, content.join(" "));
    assert.equal(parse(extension(43, Uint8Array.from(content)), SNI)?.serverName, "git.example.org");
  }
});

Deno.test("parseClientHelloExtensions() refuses any extension twice, wherever the two stand", () => {
  for (const type of [0, 1, 16, 43, 0x0a0a, 0xfe0d, 0xffff]) {
    const twice = type === 0 ? SNI : type === 16 ? alpnExtension("h2") : extension(type);
    const others = Array.from({ length: 300 }, (_, index) => extension(0x4000 + index));
    assert.equal(parse(twice, ...others, twice), undefined, `type ${type}`);
    assert.notEqual(parse(twice, ...others), undefined, `type ${type}`);
  }
});

Deno.test("parseClientHelloExtensions() forgets one block's types before the next", () => {
  const types = Array.from({ length: 4_000 }, (_, type) => extension(type + 50));
  for (const cut of [[], [SNI], [Uint8Array.of(0xab, 0xcd, 0, 9)], [Uint8Array.of(0xab)]]) {
    parse(...types, SNI, extension(0xabcd), ...cut);
    assert.equal(parse(...types, SNI, extension(0xabcd))?.serverName, "git.example.org");
  }
});
