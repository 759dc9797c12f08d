import assert from "node:assert/strict";
import { isConnectionEvent } from "../../src/observe/events.ts";
import { connectionEvent, type ConnectionStory } from "../../src/proxy/connection_event.ts";
import { LINE_BYTES_MAX } from "../../src/proxy/messages.ts";
import { BATCH_EVENTS } from "../../src/proxy/messages.ts";
import type { ClientHello } from "../../src/wire/client_hello.ts";
import { blockRule, l4Route } from "../state/configurations.ts";

const HELLO = {
  serverName: "a.test",
  serverNameAsSent: "A.test",
  alpnProtocols: ["h2", "http/1.1"],
  echOffered: true,
} as unknown as ClientHello;

const LEAST: ConnectionStory = {
  nowMs: 1_000,
  id: "k-1",
  listenerName: "[::]:443",
  client: { text: "2001:db8::1" },
  clientPort: 7,
  hello: undefined,
  admission: undefined,
  route: undefined,
  backendAddress: undefined,
  bytesReceived: 0,
  bytesSent: 0,
  helloMs: undefined,
  dialMs: undefined,
  tlsMs: undefined,
  totalMs: 12.3456,
};

/** As it goes to main. */
function sent(story: ConnectionStory, unlogged = 0): Record<string, unknown> {
  const event = JSON.parse(JSON.stringify(connectionEvent(story, "client_eof", unlogged)));
  assert.ok(isConnectionEvent(event));
  return event as unknown as Record<string, unknown>;
}

Deno.test("connectionEvent() tells what was and leaves out what wasn't", () => {
  const least = {
    time: 1_012,
    id: "k-1",
    listener: "[::]:443",
    client: "[2001:db8::1]:7",
    reason: "client_eof",
    bytes_received: 0,
    bytes_sent: 0,
    total_ms: 12.35,
  };
  assert.deepEqual(sent(LEAST), least);
  const rule = blockRule(1, "ip", "192.0.2.1");
  const whole: ConnectionStory = {
    ...LEAST,
    hello: HELLO,
    admission: { kind: "admit", rule, country: undefined, shadowed: [blockRule(2, "country", "DE")] },
    route: l4Route(1, "*.test"),
    backendAddress: { host: "::1", port: 8_443 },
    bytesReceived: 5,
    bytesSent: 6,
    helloMs: 0,
    dialMs: 1.005,
    tlsMs: 2,
  };
  assert.deepEqual(sent(whole, 3), {
    ...least,
    sni: "a.test",
    alpn: ["h2", "http/1.1"],
    ech_offered: true,
    route: "*.test",
    rule: "ip:192.0.2.1",
    shadow: ["country:DE"],
    backend: "[::1]:8443",
    bytes_received: 5,
    bytes_sent: 6,
    hello_ms: 0,
    dial_ms: 1,
    tls_ms: 2,
    unlogged: 3,
  });
  const empty = {
    ...HELLO,
    alpnProtocols: [],
    serverName: undefined,
    echOffered: false,
  } as unknown as ClientHello;
  assert.deepEqual(sent({ ...LEAST, hello: empty }), { ...least, ech_offered: false });
});

Deno.test("connectionEvent() of the most that a client can say fits a line many times", () => {
  const protocols = Array.from({ length: 200 }, () => "\u0001".repeat(255));
  const story: ConnectionStory = {
    ...LEAST,
    hello: { ...HELLO, serverName: `${"n".repeat(63)}.`.repeat(4).slice(0, 253), alpnProtocols: protocols },
    admission: {
      kind: "admit",
      rule: undefined,
      country: undefined,
      shadowed: Array.from({ length: 64 }, (_, id) => blockRule(id, "cidr", `${"ffff:".repeat(7)}ffff/128`)),
    },
    route: l4Route(1, `*.${"n".repeat(250)}`),
    backendAddress: { host: `${"n".repeat(250)}.io`, port: 65_535 },
  };
  const { alpn, shadow, ...event } = sent(story) as { alpn: string[]; shadow: string[] };
  assert.deepEqual([alpn.length, shadow.length], [16, 16]);
  assert.ok(alpn.every((protocol) => protocol.length === 64));
  const bytes = JSON.stringify({ ...event, alpn, shadow }).length;
  assert.ok(bytes * 3 < LINE_BYTES_MAX, `${bytes} bytes: a batch of ${BATCH_EVENTS} is cut earlier`);
});
