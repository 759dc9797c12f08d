import assert from "node:assert/strict";
import { Peeked } from "../../src/proxy/peeked.ts";
import { proxyHeaderFor } from "../../src/l7/proxy_header.ts";
import { receiveProxyHeader, requiresProxyHeader } from "../../src/proxy/proxy_header.ts";
import { parseProxyHeader } from "../../src/wire/proxy_protocol.ts";
import { formatProxyHeaderV1 } from "../../src/wire/proxy_protocol_v1.ts";
import { formatProxyHeaderV2 } from "../../src/wire/proxy_protocol_v2_format.ts";
import { parseIpAddress } from "../../src/policy/ip_address.ts";
import { bytes, latin1 } from "../support/client_hello.ts";
import { accept, type AcceptOptions } from "./accepted.ts";

const SOURCE = { host: "192.0.2.1", port: 5_000 };
const DESTINATION = { host: "192.0.2.2", port: 443 };
const SOURCE_6 = { host: "2001:db8::1", port: 7 };
const DESTINATION_6 = { host: "2001:db8::2", port: 8 };
const TRUSTED: AcceptOptions = { proxyProtocol: true, trustedProxies: ["127.0.0.0/8"] };
const AFTER = latin1("what follows");

interface Row {
  readonly name: string;
  readonly header: Uint8Array;
  /** Absent: the peer stays the client. */
  readonly client?: { readonly host: string; readonly port: number };
  readonly destination?: { readonly host: string; readonly port: number };
}

const ROWS: readonly Row[] = [
  { name: "v1", header: formatProxyHeaderV1(SOURCE, DESTINATION), client: SOURCE, destination: DESTINATION },
  {
    name: "v2",
    header: formatProxyHeaderV2({
      source: SOURCE_6,
      destination: DESTINATION_6,
      authority: "a",
      checksum: true,
    }),
    client: SOURCE_6,
    destination: DESTINATION_6,
  },
  {
    name: "v1, mapped",
    header: latin1("PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 5000 443\r\n"),
    client: SOURCE,
    destination: { host: "::ffff:192.0.2.2", port: 443 },
  },
  { name: "UNKNOWN", header: formatProxyHeaderV1() },
  { name: "LOCAL", header: formatProxyHeaderV2({}) },
];

Deno.test("receiveProxyHeader() makes the declared address the client and leaves what follows", async (t) => {
  for (const { name, header, client, destination } of ROWS) {
    await t.step(name, async () => {
      using accepted = await accept(TRUSTED);
      const { connection } = accepted;
      const { localAddr } = accepted.client;
      const peeked = new Peeked(connection);
      await accepted.client.write(bytes(header, AFTER));
      assert.equal(await receiveProxyHeader(connection, peeked), undefined);
      const own = { host: "127.0.0.1", port: localAddr.port };
      assert.deepEqual({ host: connection.client.text, port: connection.clientPort }, client ?? own);
      const { hostname, port } = accepted.client.remoteAddr;
      assert.deepEqual(connection.destination, destination ?? { host: hostname, port });
      while (peeked.bytes.length < AFTER.length) await peeked.readMore("hello_eof");
      assert.deepEqual(new Uint8Array(peeked.bytes), AFTER);
    });
  }
});

Deno.test("requiresProxyHeader() says what the listener says", async () => {
  for (const proxyProtocol of [true, false]) {
    using accepted = await accept({ ...TRUSTED, proxyProtocol });
    assert.equal(requiresProxyHeader(accepted.connection), proxyProtocol);
  }
});

Deno.test("receiveProxyHeader() reads nothing from a peer that isn't trusted", async () => {
  const options = { proxyProtocol: true, trustedProxies: ["192.0.2.0/24", "::/0"] };
  using accepted = await accept(options);
  await accepted.client.write(formatProxyHeaderV1(SOURCE, DESTINATION));
  const peeked = new Peeked(accepted.connection);
  assert.equal(await receiveProxyHeader(accepted.connection, peeked), "proxy_untrusted");
  assert.equal(accepted.connection.bytesReceived, 0);
});

Deno.test("receiveProxyHeader() refuses what is no header, and a header that ends early", async (t) => {
  const rows: [name: string, sent: Uint8Array][] = [
    ["another protocol", latin1("GET / HTTP/1.1\r\n")],
    ["half a line", latin1("PROXY TCP4 192.")],
    ["nothing", new Uint8Array(0)],
  ];
  for (const [name, sent] of rows) {
    await t.step(name, async () => {
      using accepted = await accept(TRUSTED);
      await accepted.client.write(sent);
      await accepted.client.closeWrite();
      const fault = await receiveProxyHeader(accepted.connection, new Peeked(accepted.connection));
      assert.equal(fault, "proxy_header_invalid");
      assert.equal(accepted.connection.client.text, "127.0.0.1");
    });
  }
});

Deno.test("receiveProxyHeader() gives up at the deadline of the hello", async () => {
  using accepted = await accept({ ...TRUSTED, clientHelloTimeoutMs: 100 });
  await accepted.client.write(latin1("PROXY"));
  const startedMs = performance.now();
  const fault = await receiveProxyHeader(accepted.connection, new Peeked(accepted.connection));
  assert.equal(fault, "proxy_header_timeout");
  assert.ok(performance.now() - startedMs > 80);
});

Deno.test("proxyHeaderFor() tells the client, where it went, the name as sent and the id", async () => {
  using accepted = await accept();
  const { connection } = accepted;
  const rows = [
    { source: SOURCE, destination: DESTINATION },
    { source: SOURCE_6, destination: DESTINATION_6 },
  ];
  for (const { source, destination } of rows) {
    connection.declare(parseIpAddress(source.host)!, source.port, destination);
    for (const serverNameAsSent of [undefined, "A.Example.ORG."]) {
      connection.hello = {
        ...(serverNameAsSent !== undefined && { serverName: "a.example.org", serverNameAsSent }),
        alpnProtocols: [],
        echOffered: false,
      } as unknown as NonNullable<typeof connection.hello>;
      const outcome = parseProxyHeader(proxyHeaderFor(connection));
      assert(outcome.kind === "header");
      const tlvs = [{ type: 5, value: latin1("id-0-1") }];
      if (serverNameAsSent !== undefined) tlvs.unshift({ type: 2, value: latin1(serverNameAsSent) });
      assert.deepEqual(outcome.header, { version: 2, command: "PROXY", source, destination, tlvs });
    }
  }
});
