import assert from "node:assert/strict";
import { clientHello, type ClientHelloOptions } from "./client_hello.ts";
import { CertificateAuthority } from "./certificates.ts";
import { echoBackend } from "./backends.ts";
import { openClient } from "./raw_client.ts";

const SERVER_HELLO = 2;

const HELLOS: { name: string; options: ClientHelloOptions }[] = [
  { name: "nothing but defaults", options: {} },
  { name: "a name and ALPN", options: { serverName: "localhost", alpn: ["h2", "http/1.1"] } },
  { name: "TLS 1.2", options: { serverName: "localhost", version: "1.2" } },
  { name: "padding", options: { serverName: "localhost", paddingBytes: 4_000 } },
  { name: "many records", options: { serverName: "localhost", recordBytesMax: 7 } },
];

Deno.test("clientHello() makes hellos that a real TLS server answers with a ServerHello", async (t) => {
  const authority = await CertificateAuthority.create();
  const pair = await authority.issue({ names: ["localhost"] });
  for (const { name, options } of HELLOS) {
    await t.step(name, async () => {
      await using backend = echoBackend({ ...pair, alpn: ["h2"] });
      using client = await openClient(backend.addr);
      await client.send(clientHello(options));
      const answer = await client.readBytes(6);
      assert.deepEqual([answer[0], answer[5]], [22, SERVER_HELLO]);
      client.reset();
    });
  }
});
