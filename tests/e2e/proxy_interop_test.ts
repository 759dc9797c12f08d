/**
 * Goal: what mc-proxy writes and reads as PROXY protocol is what HAProxy and nginx read and write.
 * Method: the real programs in front of mc-proxy and behind it, clients from addresses of their own; each end must name
 * the client's own address and port. Without the programs a line says so, and nothing is tested.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Backend, echoBackend } from "../support/backends.ts";
import { exchangeFrom } from "../support/bound_client.ts";
import { freePorts } from "../support/ports.ts";
import { printError } from "../support/print.ts";
import type { LogEvent } from "../support/program.ts";
import { isConnection, serveQuietly } from "../support/quiet.ts";
import { openClient } from "../support/raw_client.ts";
import { type Balancer, hasHaproxy, nginxStreamModule, startHaproxy, startNginx } from "./balancers.ts";
import { HELLO, SERVER_NAME } from "./declared.ts";

const HAS_HAPROXY = hasHaproxy();
const NGINX_MODULE = nginxStreamModule();
if (!HAS_HAPROXY) printError("HAProxy is not installed: its interop is skipped");
if (NGINX_MODULE === undefined) {
  printError("nginx with its stream module is not installed: its interop is skipped");
}

const TRUSTED = { proxy_protocol: true, trusted_proxies: ["127.0.0.1", "::1"] };
/** Everything that HAProxy can put behind the addresses. */
const HAPROXY_TLVS = "proxy-v2-options crc32c,authority,unique-id";

/** A load balancer in front: what a client connects to, and how it hands on. */
interface Sender {
  readonly name: string;
  readonly skip: boolean;
  /** Starts it on `port`, 127.0.0.1 and [::1], in front of `to`. */
  start(port: number, to: string): Promise<Balancer>;
}

function haproxySender(name: string, words: string): Sender {
  return {
    name,
    skip: !HAS_HAPROXY,
    start: (port, to) =>
      startHaproxy(
        `frontend in
    bind 127.0.0.1:${port}
    bind [::1]:${port}
    unique-id-format %ci-%cp
    tcp-request inspect-delay 2s
    tcp-request content accept if { req.ssl_hello_type 1 }
    default_backend out
backend out
    server one ${to} ${words}
`,
        [port],
      ),
  };
}

const SENDERS: readonly Sender[] = [
  haproxySender("HAProxy, version 1", "send-proxy"),
  haproxySender("HAProxy, version 2", "send-proxy-v2"),
  haproxySender("HAProxy, version 2 with TLVs and CRC32C", `send-proxy-v2 ${HAPROXY_TLVS}`),
  {
    name: "nginx, version 1",
    skip: NGINX_MODULE === undefined,
    start: (port, to) =>
      startNginx(
        `    server {
        listen 127.0.0.1:${port};
        listen [::1]:${port};
        proxy_half_close on;
        proxy_pass ${to};
        proxy_protocol on;
    }`,
        { logged: "$remote_addr", module: NGINX_MODULE!, ports: [port] },
      ),
  },
];

/** Comes from each of the addresses in turn and is served. */
async function comeThrough(port: number, clients: readonly string[]): Promise<void> {
  for (const client of clients) {
    if (client === "[::1]") {
      using raw = await openClient(`[::1]:${port}`);
      await raw.send(HELLO);
      assert.deepEqual(await raw.readBytes(HELLO.length), HELLO);
      await raw.finish();
      await raw.readToEnd();
      continue;
    }
    const seen = await exchangeFrom(client, `127.0.0.1:${port}`, HELLO);
    assert.deepEqual(seen, { bytes: HELLO, end: "FIN" });
  }
}

/** An event's client without its port. */
function clientOf(event: LogEvent): string {
  return String(event["client"]).replace(/:\d+$/, "");
}

const CLIENTS = ["127.0.0.5", "127.8.9.10", "[::1]"];

for (const { name, skip, start } of SENDERS) {
  Deno.test({
    name: `mc-proxy names the clients that ${name} hands on`,
    ignore: skip,
    fn: async () => {
      await using backend = echoBackend();
      const [port] = freePorts(1) as [number];
      const tables = {
        listeners: [{ ...TRUSTED, routes: [{ hostname: SERVER_NAME, backend: backend.addr }] }],
      };
      const events = await serveQuietly(tables, async ({ addr, program }) => {
        await using _ = await start(port, addr);
        await comeThrough(port, CLIENTS);
        await program.event(() => program.events.filter(isConnection).length === CLIENTS.length);
      });
      assert.deepEqual(events.map(clientOf).toSorted(), CLIENTS.toSorted());
      assert.ok(events.every(({ reason }) => reason === "client_eof"));
    },
  });
}

Deno.test({
  name: "mc-proxy takes HAProxy's health checks as the load balancer's own",
  ignore: !HAS_HAPROXY,
  fn: async () => {
    await using backend = echoBackend();
    const [port] = freePorts(1) as [number];
    const tables = {
      listeners: [{ ...TRUSTED, routes: [{ hostname: SERVER_NAME, backend: backend.addr }] }],
    };
    const words = "send-proxy-v2 check inter 100ms check-send-proxy";
    const events = await serveQuietly(tables, async ({ addr, program }) => {
      await using _ = await haproxySender("", words).start(port, addr);
      // LOCAL, which is 16 bytes, then HAProxy's RST: nothing is wrong with the header.
      await program.connectionEvent({ bytes_received: 16 });
      await comeThrough(port, ["127.0.0.5"]);
      await program.connectionEvent({ reason: "client_eof" });
    });
    const checks = events.filter(({ reason }) => reason !== "client_eof");
    assert.deepEqual(new Set(checks.map(({ reason }) => reason)), new Set(["client_reset"]));
    assert.deepEqual(new Set(checks.map(clientOf)), new Set(["127.0.0.1"]));
  },
});

/** A load balancer behind: what mc-proxy's header told it, one line a connection. */
interface Receiver {
  readonly name: string;
  readonly skip: boolean;
  start(port: number, backend: Backend): Promise<Balancer>;
  /** The line of a connection. */
  line(told: { readonly client: string; readonly destination: string; readonly id: string }): string;
}

const RECEIVERS: readonly Receiver[] = [
  {
    name: "HAProxy",
    skip: !HAS_HAPROXY,
    start: (port, { addr }) =>
      startHaproxy(
        `frontend in
    bind 127.0.0.1:${port} accept-proxy
    log-format "told %[src]:%[src_port] %[dst]:%[dst_port] %[fc_pp_authority] %[fc_pp_unique_id]"
    default_backend out
backend out
    server one ${addr}
`,
        [port],
      ),
    line: ({ client, destination, id }) => `told ${bare(client)} ${bare(destination)} ${SERVER_NAME} ${id}`,
  },
  {
    name: "nginx",
    skip: NGINX_MODULE === undefined,
    start: (port, { addr }) =>
      startNginx(
        `    server {
        listen 127.0.0.1:${port} proxy_protocol;
        set_real_ip_from 127.0.0.1;
        proxy_half_close on;
        proxy_pass ${addr};
    }`,
        {
          logged: "told $remote_addr:$remote_port $proxy_protocol_addr:$proxy_protocol_port " +
            "$proxy_protocol_server_addr:$proxy_protocol_server_port",
          module: NGINX_MODULE!,
          ports: [port],
        },
      ),
    line: ({ client, destination }) => `told ${bare(client)} ${bare(client)} ${bare(destination)}`,
  },
];

/** `[::1]:5` as HAProxy and nginx write it: `::1:5`. */
function bare(address: string): string {
  return address.replace(/[[\]]/g, "");
}

/** Waits until the log has a line. */
async function logged(balancer: Balancer, line: string): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  for (;;) {
    const log = await balancer.log();
    if (log.split("\n").includes(line)) return;
    assert.ok(performance.now() < deadlineMs, `no line "${line}" in\n${log}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

for (const { name, skip, start, line } of RECEIVERS) {
  Deno.test({
    name: `${name} names the clients that mc-proxy hands on`,
    ignore: skip,
    fn: async () => {
      await using backend = echoBackend();
      const [port, port6] = freePorts(2) as [number, number];
      await using receiver = await start(port, backend);
      const routes = [{ hostname: SERVER_NAME, backend: `127.0.0.1:${port}`, send_proxy_protocol: true }];
      const listeners = [{ routes }, { routes, addr: `[::1]:${port6}` }];
      const events = await serveQuietly({ listeners }, async ({ addr }) => {
        await comeThrough(Number(addr.split(":")[1]), CLIENTS.slice(0, 2));
        await comeThrough(port6, CLIENTS.slice(2));
      });
      assert.deepEqual(events.map(clientOf).toSorted(), CLIENTS.toSorted());
      for (const { client, listener, id } of events) {
        await logged(receiver, line({ client: `${client}`, destination: `${listener}`, id: `${id}` }));
      }
    },
  });
}

for (const sender of SENDERS) {
  for (const receiver of RECEIVERS) {
    Deno.test({
      name: `${receiver.name} behind mc-proxy names the clients of ${sender.name} in front of it`,
      ignore: sender.skip || receiver.skip,
      fn: async () => {
        await using backend = echoBackend();
        const [front, behind] = freePorts(2) as [number, number];
        await using last = await receiver.start(behind, backend);
        const routes = [{ hostname: SERVER_NAME, backend: `127.0.0.1:${behind}`, send_proxy_protocol: true }];
        const events = await serveQuietly(
          { listeners: [{ ...TRUSTED, routes }] },
          async ({ addr, program }) => {
            await using _ = await sender.start(front, addr);
            await comeThrough(front, CLIENTS);
            await program.event(() => program.events.filter(isConnection).length === CLIENTS.length);
          },
        );
        assert.deepEqual(events.map(clientOf).toSorted(), CLIENTS.toSorted());
        for (const { client, id } of events) {
          // Where the client connected to, not where the load balancer did.
          const destination = `${client}`.startsWith("[") ? `[::1]:${front}` : `127.0.0.1:${front}`;
          await logged(last, receiver.line({ client: `${client}`, destination, id: `${id}` }));
        }
      },
    });
  }
}
