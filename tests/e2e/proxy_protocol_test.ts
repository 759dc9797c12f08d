/**
 * Goal: behind a load balancer the client is the address that its header declares, for the firewall, for the log and
 * for the backend; whoever may not send a header, or sends a wrong one or none, is closed on without a byte.
 * Method: headers of both versions by hand, whole, cut and slow, from trusted and other peers; the client's bytes must
 * come back from an echo without the header; the event says who came and why it ended; what a backend gets is compared
 * byte for byte.
 *
 * @module
 */

import assert from "node:assert/strict";
import ipaddr from "ipaddr.js";
import { echoBackend } from "../support/backends.ts";
import { exchangeFrom } from "../support/bound_client.ts";
import { bytes, clientHello, latin1, number } from "../support/client_hello.ts";
import { freePort } from "../support/ports.ts";
import type { LogEvent } from "../support/program.ts";
import type { Proxy } from "../support/proxy.ts";
import { isConnection, serveQuietly } from "../support/quiet.ts";
import { exchange, openClient } from "../support/raw_client.ts";
import {
  DESTINATION,
  HELLO,
  rawVersionTwo,
  SERVER_NAME,
  TLV,
  tlv,
  versionOne,
  versionTwo,
} from "./declared.ts";

const NOTHING = new Uint8Array(0);
const TRUSTED = { proxy_protocol: true, trusted_proxies: ["127.0.0.1"] };
const TIMEOUT_MS = 3_000;
/** Between two bytes that drip. */
const DRIP_MS = 100;
/** A header whose last bytes are these is whole shortly before the deadline. */
const LAST_BYTES = 25;
/** On a machine under load a timer may come this late; a deadline that began anew would be later still. */
const LATE_MS = 2_000;
/** Stands for the peer's own address in a table. */
const PEER = "peer";

/** The client that the last connection's event names. */
async function clientOf({ program }: Proxy, from: number): Promise<LogEvent> {
  return await program.event(isConnection, 10_000, from);
}

const UNIX = rawVersionTwo(0x21, 0x31, new Uint8Array(216));
const MANY_TLVS = [
  tlv(TLV.ALPN, latin1("h2")),
  tlv(TLV.AUTHORITY, latin1("other.test")),
  tlv(TLV.NOOP, new Uint8Array(300)),
  tlv(0xe0, new Uint8Array(0)),
  tlv(TLV.UNIQUE_ID, new Uint8Array(128).fill(0xff)),
];

/** Headers that are right, and the client that they declare. */
const RIGHT: readonly [name: string, header: Uint8Array, client: string][] = [
  ["v1, IPv4", versionOne("192.0.2.1"), "192.0.2.1:5000"],
  ["v1, IPv6", versionOne("2001:DB8:0:0::1"), "[2001:db8::1]:5000"],
  ["v1, mapped IPv4", versionOne("::ffff:192.0.2.1"), "192.0.2.1:5000"],
  ["v1, UNKNOWN", latin1("PROXY UNKNOWN\r\n"), PEER],
  ["v1, UNKNOWN and more", latin1("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), PEER],
  ["v2, IPv4", versionTwo("192.0.2.1"), "192.0.2.1:5000"],
  ["v2, IPv6", versionTwo("2001:db8::1", 65_535), "[2001:db8::1]:65535"],
  ["v2, mapped IPv4", versionTwo("::ffff:192.0.2.1"), "192.0.2.1:5000"],
  ["v2, LOCAL", rawVersionTwo(0x20, 0, NOTHING), PEER],
  ["v2, LOCAL with an address", versionTwo("192.0.2.1", 1, { command: 0x20 }), PEER],
  ["v2, UNSPEC", rawVersionTwo(0x21, 0, NOTHING), PEER],
  ["v2, UNSPEC with bytes", rawVersionTwo(0x21, 0, new Uint8Array(40)), PEER],
  ["v2, UNIX", UNIX, PEER],
  ["v2, UDP", versionTwo("192.0.2.1", 1, { family: 0x12 }), "192.0.2.1:1"],
  ["v2, TLVs", versionTwo("192.0.2.1", 2, { tlvs: MANY_TLVS }), "192.0.2.1:2"],
  ["v2, CRC32C", versionTwo("192.0.2.1", 3, { checksum: "right" }), "192.0.2.1:3"],
  [
    "v2, TLVs and CRC32C",
    versionTwo("2001:db8::1", 4, { tlvs: MANY_TLVS, checksum: "right" }),
    "[2001:db8::1]:4",
  ],
  [
    "v2, 16 KiB",
    versionTwo("192.0.2.1", 5, { tlvs: [tlv(TLV.NOOP, new Uint8Array(16_384 - 16 - 12 - 3))] }),
    "192.0.2.1:5",
  ],
];

Deno.test("a header in front of the hello, in one segment, makes its client the client", async (t) => {
  await using backend = echoBackend();
  const routes = [{ hostname: SERVER_NAME, backend: backend.addr }];
  await serveQuietly({ listeners: [{ ...TRUSTED, routes }] }, async (proxy) => {
    for (const [name, header, client] of RIGHT) {
      await t.step(name, async () => {
        const from = proxy.program.events.length;
        using raw = await openClient(proxy.addr);
        const { localAddr } = raw;
        await raw.send(bytes(header, HELLO));
        await raw.finish();
        assert.deepEqual(await raw.readToEnd(), { bytes: HELLO, end: "fin" });
        const event = await clientOf(proxy, from);
        assert.equal(event["client"], client === PEER ? localAddr : client);
        assert.equal(event["bytes_received"], header.length + HELLO.length);
        assert.equal(event["reason"], "client_eof");
      });
    }
  });
});

Deno.test("a header may be cut anywhere, and so may what follows it", async (t) => {
  await using backend = echoBackend();
  const routes = [{ hostname: SERVER_NAME, backend: backend.addr }];
  const headers = [
    versionOne("2001:db8::77"),
    versionTwo("192.0.2.77", 1, { tlvs: MANY_TLVS.slice(0, 2), checksum: "right" }),
  ];
  await serveQuietly({ listeners: [{ ...TRUSTED, routes }] }, async ({ addr }) => {
    for (const header of headers) {
      await t.step(`${header.length} bytes, in two parts`, async () => {
        const whole = bytes(header, HELLO);
        // Also one cut inside the hello.
        const cuts = Array.from({ length: header.length + 2 }, (_, at) => at + 1);
        await Promise.all(cuts.map(async (at) => {
          using client = await openClient(addr);
          await client.send(whole.subarray(0, at));
          // Time for the first part to be read alone; when it isn't, this row tests less.
          await new Promise((resolve) => setTimeout(resolve, 30));
          await client.send(whole.subarray(at));
          await client.finish();
          assert.deepEqual(await client.readToEnd(), { bytes: HELLO, end: "fin" }, `cut at ${at}`);
        }));
      });
      await t.step(`${header.length} bytes, byte by byte`, async () => {
        using client = await openClient(addr);
        for (const byte of bytes(header, HELLO)) await client.send(Uint8Array.of(byte));
        await client.finish();
        assert.deepEqual(await client.readToEnd(), { bytes: HELLO, end: "fin" });
      });
    }
  }).then((events) => {
    assert.deepEqual(
      new Set(events.map(({ client }) => client)),
      new Set(["[2001:db8::77]:5000", "192.0.2.77:1"]),
    );
  });
});

const WRONG: readonly [name: string, sent: Uint8Array, finish?: boolean][] = [
  ["a TLS hello at once", HELLO],
  ["HTTP", latin1("GET / HTTP/1.1\r\n\r\n")],
  ["PROXIES", latin1("PROXIES TCP4\r\n")],
  ["no end in 107 bytes", latin1(`PROXY TCP4 ${"1".repeat(110)}`)],
  ["a bare line feed", latin1("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n")],
  ["two blanks", latin1("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n")],
  ["a leading zero in a port", latin1("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n")],
  ["a port over 65535", latin1("PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n")],
  ["another family", latin1("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n")],
  ["a leading zero in an address", latin1("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n")],
  ["lower case", latin1("proxy tcp4 192.0.2.1 192.0.2.2 1 2\r\n")],
  ["v2, another version", versionTwo("192.0.2.1", 1, { command: 0x31 })],
  ["v2, another command", versionTwo("192.0.2.1", 1, { command: 0x22 })],
  ["v2, another family", versionTwo("192.0.2.1", 1, { family: 0x41 })],
  ["v2, too short for its addresses", rawVersionTwo(0x21, 0x11, new Uint8Array(11))],
  ["v2, a TLV over its end", versionTwo("192.0.2.1", 1, { tlvs: [Uint8Array.of(2, 0, 9, 97)] })],
  ["v2, a wrong CRC32C", versionTwo("192.0.2.1", 1, { checksum: "wrong" })],
  ["v2, over 16 KiB", bytes(latin1("\r\n\r\n\0\r\nQUIT\n"), Uint8Array.of(0x21, 0x11, 0x3f, 0xf1))],
  ["v1, cut off", versionOne("192.0.2.1").subarray(0, 20), true],
  ["v2, cut off", versionTwo("192.0.2.1").subarray(0, 20), true],
  ["nothing", NOTHING, true],
];

Deno.test("a wrong header, and none, is closed on without a byte", async (t) => {
  await using backend = echoBackend();
  const routes = [{ hostname: SERVER_NAME, backend: backend.addr }];
  const events = await serveQuietly({ listeners: [{ ...TRUSTED, routes }] }, async (proxy) => {
    for (const [name, sent, finish = false] of WRONG) {
      await t.step(name, async () => {
        const from = proxy.program.events.length;
        assert.deepEqual(await exchange(proxy.addr, sent, finish), { bytes: NOTHING, end: "fin" });
        const { reason, bytes_sent, client } = await clientOf(proxy, from);
        assert.deepEqual({ reason, bytes_sent }, { reason: "proxy_header_invalid", bytes_sent: 0 });
        assert.match(String(client), /^127\.0\.0\.1:/);
      });
    }
  });
  assert.equal(events.length, WRONG.length);
  assert.equal(backend.connections.length, 0);
});

Deno.test("a header where none is required is no header", async () => {
  await using backend = echoBackend();
  const routes = [{ hostname: SERVER_NAME, backend: backend.addr }];
  const events = await serveQuietly({ listeners: [{ routes }] }, async ({ addr }) => {
    assert.deepEqual((await exchange(addr, bytes(versionTwo("192.0.2.1"), HELLO))).bytes, NOTHING);
  });
  assert.equal(events[0]!["reason"], "not_tls");
});

Deno.test("a peer that isn't trusted is closed on at once, whatever it sends and whom it declares", async (t) => {
  await using backend = echoBackend();
  const routes = [{ hostname: SERVER_NAME, backend: backend.addr }];
  const mappedPort = freePort();
  const trust = { proxy_protocol: true, trusted_proxies: ["127.0.0.8", "127.0.9.0/24"] };
  const tables = { listeners: [{ ...trust, routes }, { ...trust, routes, addr: `[::]:${mappedPort}` }] };
  const rows: [peer: string, isTrusted: boolean][] = [
    ["127.0.0.8", true],
    ["127.0.9.77", true],
    ["127.0.0.9", false],
    ["127.0.8.1", false],
    ["127.0.10.1", false],
  ];
  const events = await serveQuietly(tables, async ({ addr, program }) => {
    for (const to of [addr, `127.0.0.1:${mappedPort}`]) {
      for (const [peer, isTrusted] of rows) {
        await t.step(`${peer} at ${to === addr ? "127.0.0.1" : "[::]"}`, async () => {
          const from = program.events.length;
          // It declares an address that would be trusted as a peer.
          const seen = await exchangeFrom(peer, to, bytes(versionTwo("127.0.0.8"), HELLO));
          const client = isTrusted ? "127.0.0.8:5000" : `${peer}:`;
          const isOurs = (event: LogEvent) => String(event["client"]).startsWith(client);
          const event = await program.event(isOurs, 10_000, from);
          if (isTrusted) return assert.deepEqual(seen, { bytes: HELLO, end: "FIN" });
          // What it has sent is left unread, so the close may be a RST.
          assert.deepEqual(seen.bytes, NOTHING);
          assert.equal(event["reason"], "proxy_untrusted");
          assert.equal(event["bytes_received"], 0);
          // A silent one isn't waited for.
          assert.deepEqual(await exchangeFrom(peer, to), { bytes: NOTHING, end: "FIN" });
        });
      }
    }
  });
  assert.equal(backend.connections.length, 4);
  assert.equal(events.filter(({ reason }) => reason === "proxy_untrusted").length, 12);
});

Deno.test("header and hello share one deadline that nothing extends", async (t) => {
  await using backend = echoBackend();
  const tables = {
    listeners: [{ ...TRUSTED, routes: [{ hostname: SERVER_NAME, backend: backend.addr }] }],
    proxy: { client_hello_timeout: `${TIMEOUT_MS}ms` },
  };
  const header = versionTwo("192.0.2.5", 1, { tlvs: MANY_TLVS });
  const rows: [name: string, first: Uint8Array, drip: Uint8Array, reason: string][] = [
    ["silence", NOTHING, NOTHING, "proxy_header_timeout"],
    ["a header that drips", NOTHING, header, "proxy_header_timeout"],
    ["half a header", header.subarray(0, 30), NOTHING, "proxy_header_timeout"],
    ["a hello that drips", header, HELLO, "hello_timeout"],
    ["a header and no hello", header, NOTHING, "hello_timeout"],
    [
      "a header that drips to its end, then a hello that drips",
      header.subarray(0, -LAST_BYTES),
      bytes(header.subarray(-LAST_BYTES), HELLO),
      "hello_timeout",
    ],
  ];
  await serveQuietly(tables, async ({ addr, program }) => {
    await Promise.all(rows.map(([name, first, drip, reason]) =>
      t.step({
        name: `${name}: ${reason}`,
        sanitizeOps: false,
        sanitizeResources: false,
        sanitizeExit: false,
        fn: async () => {
          using client = await openClient(addr);
          const startedMs = performance.now();
          if (first.length > 0) await client.send(first);
          let sent = 0;
          const dripping = setInterval(() => {
            if (sent < drip.length) client.send(drip.subarray(sent, ++sent)).catch(() => {});
          }, DRIP_MS);
          const { bytes: got } = await client.readToEnd();
          clearInterval(dripping);
          const tookMs = performance.now() - startedMs;
          assert.deepEqual(got, NOTHING);
          assert.ok(tookMs > TIMEOUT_MS - 100 && tookMs < TIMEOUT_MS + LATE_MS, `${tookMs} ms`);
        },
      })
    ));
    await t.step("each has its reason", async () => {
      const wanted = rows.map(([, , , reason]) => reason).toSorted();
      await program.event(() => program.events.filter(isConnection).length === rows.length);
      assert.deepEqual(program.events.filter(isConnection).map(({ reason }) => reason).toSorted(), wanted);
    });
  });
});

const RULES = [
  { type: "ip", value: "192.0.2.7" },
  { type: "ip", value: "2001:db8::7" },
  { type: "cidr", value: "198.51.100.0/24" },
  { type: "cidr", value: "2001:db8:bad::/48" },
  { type: "ip", value: "198.51.100.7", action: "allow" },
  { type: "ip", value: "127.0.0.1" },
];

const JUDGED: readonly [header: Uint8Array, reason: string, rule?: string][] = [
  [versionTwo("192.0.2.6"), "client_eof"],
  [versionTwo("192.0.2.7"), "blocked_ip", "ip:192.0.2.7"],
  [versionOne("192.0.2.7"), "blocked_ip", "ip:192.0.2.7"],
  [versionTwo("::ffff:192.0.2.7"), "blocked_ip", "ip:192.0.2.7"],
  [versionOne("::ffff:c000:207"), "blocked_ip", "ip:192.0.2.7"],
  [versionOne("2001:0DB8::0007"), "blocked_ip", "ip:2001:db8::7"],
  [versionTwo("198.51.100.1"), "blocked_cidr", "cidr:198.51.100.0/24"],
  [versionTwo("198.51.100.7"), "client_eof", "ip:198.51.100.7"],
  [versionTwo("2001:db8:bad:1::1"), "blocked_cidr", "cidr:2001:db8:bad::/48"],
  [versionTwo("::ffff:198.51.100.1"), "blocked_cidr", "cidr:198.51.100.0/24"],
  // The load balancer itself is blocked as a client, and trusted all the same.
  [rawVersionTwo(0x20, 0, NOTHING), "blocked_ip", "ip:127.0.0.1"],
  [latin1("PROXY UNKNOWN\r\n"), "blocked_ip", "ip:127.0.0.1"],
];

Deno.test("the firewall judges the declared address and not the load balancer's", async () => {
  await using backend = echoBackend();
  const routes = [{ hostname: SERVER_NAME, backend: backend.addr }];
  const tables = { listeners: [{ ...TRUSTED, routes }], firewall: { rules: RULES } };
  await serveQuietly(tables, async (proxy) => {
    for (const [header, reason, rule] of JUDGED) {
      const from = proxy.program.events.length;
      const seen = await exchange(proxy.addr, bytes(header, HELLO), true);
      const isServed = reason === "client_eof";
      assert.deepEqual(seen, isServed ? { bytes: HELLO, end: "fin" } : { bytes: NOTHING, end: "reset" });
      const event = await clientOf(proxy, from);
      assert.deepEqual([event["reason"], event["rule"]], [reason, rule]);
    }
  });
  assert.equal(backend.connections.length, JUDGED.filter(([, reason]) => reason === "client_eof").length);
});

/** The header that a backend must get. */
function sentHeader(
  client: string,
  destination: string,
  serverName: string | undefined,
  id: string,
): Uint8Array {
  const [source, to] = [client, destination].map((text) => new URL(`tcp://${text}`));
  const address = ({ hostname }: URL) =>
    Uint8Array.from(ipaddr.parse(hostname.replace(/^\[|\]$/g, "")).toByteArray());
  const content = bytes(
    address(source!),
    address(to!),
    number(Number(source!.port), 2),
    number(Number(to!.port), 2),
    ...(serverName === undefined ? [] : [tlv(0x02, latin1(serverName))]),
    tlv(0x05, latin1(id)),
  );
  const family = address(source!).length === 4 ? 0x11 : 0x21;
  return bytes(
    latin1("\r\n\r\n\0\r\nQUIT\n"),
    Uint8Array.of(0x21, family),
    number(content.length, 2),
    content,
  );
}

interface Told {
  readonly name: string;
  /** Index of the listener. */
  readonly listener: number;
  readonly serverName?: string;
  /** Sent in front of the hello. */
  readonly header?: Uint8Array;
  /** What the backend must be told; absent: what the sockets say. */
  readonly client?: string;
  readonly destination?: string;
}

const DESTINATION_4 = `${DESTINATION.host[4]}:${DESTINATION.port}`;
const DESTINATION_6 = `[${DESTINATION.host[6]}]:${DESTINATION.port}`;
const TOLD: readonly Told[] = [
  { name: "an IPv4 client", listener: 0, serverName: "a.test" },
  { name: "a name in mixed case", listener: 0, serverName: "A.tEsT" },
  { name: "a name with a dot at its end", listener: 0, serverName: "A.test." },
  { name: "no name", listener: 0 },
  { name: "an IPv6 client", listener: 1, serverName: "a.test" },
  { name: "an IPv4 client at [::]", listener: 2, serverName: "a.test" },
  {
    name: "a declared IPv4 client",
    listener: 3,
    serverName: "a.test",
    header: versionTwo("192.0.2.1", 7),
    client: "192.0.2.1:7",
    destination: DESTINATION_4,
  },
  {
    name: "a declared IPv6 client",
    listener: 3,
    serverName: "a.test",
    header: versionOne("2001:db8::1", 7),
    client: "[2001:db8::1]:7",
    destination: DESTINATION_6,
  },
  {
    name: "a declared mapped client",
    listener: 3,
    serverName: "a.test",
    header: versionTwo("::ffff:192.0.2.1", 7, { destination: "::ffff:192.0.2.9" }),
    client: "192.0.2.1:7",
    destination: `192.0.2.9:${DESTINATION.port}`,
  },
  {
    name: "the load balancer's own",
    listener: 3,
    serverName: "a.test",
    header: rawVersionTwo(0x20, 0, NOTHING),
  },
];

Deno.test("a backend gets the header once, in front of the hello, exact to the byte", async (t) => {
  await using backend = echoBackend();
  const route = { backend: backend.addr, send_proxy_protocol: true };
  const routes = [{ ...route, hostname: SERVER_NAME }, { ...route, hostname: "*" }];
  const [port6, mappedPort] = [freePort(), freePort()];
  const listeners = [
    { routes },
    { routes, addr: `[::1]:${port6}` },
    { routes, addr: `[::]:${mappedPort}` },
    { ...TRUSTED, routes },
  ];
  const more = latin1("and what follows");
  await serveQuietly({ listeners }, async ({ addrs, program }) => {
    const to = [addrs[0]!, `[::1]:${port6}`, `127.0.0.1:${mappedPort}`, addrs[3]!];
    for (const { name, listener, serverName, header = NOTHING, client, destination } of TOLD) {
      await t.step(name, async () => {
        const from = program.events.length;
        const hello = clientHello(serverName === undefined ? {} : { serverName });
        using raw = await openClient(to[listener]!);
        const own = raw.localAddr.replace(/^::1:/, "[::1]:");
        await raw.send(bytes(header, hello));
        await raw.readBytes(hello.length);
        await raw.send(more);
        await raw.finish();
        const { end } = await raw.readToEnd();
        assert.equal(end, "fin");
        const event = await program.event(isConnection, 10_000, from);
        const wanted = sentHeader(
          client ?? own,
          destination ?? to[listener]!,
          serverName,
          String(event["id"]),
        );
        assert.equal(event["client"], client ?? own);
        const { head } = backend.connections.at(-1)!;
        assert.equal(head.toHex(), bytes(wanted, hello, more).toHex());
      });
    }
  });
  assert.equal(backend.connections.length, TOLD.length);
});
