/**
 * The diagnoses of RUNBOOK.md's alerts, after what each alert tells of has happened.
 *
 * @module
 */

import assert from "node:assert/strict";
import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import { concat, frame, settings } from "../http2/raw_peer.ts";
import { silentBackend } from "../support/backends.ts";
import { exchangeFrom } from "../support/bound_client.ts";
import { clientHello, latin1 } from "../support/client_hello.ts";
import { freePorts } from "../support/ports.ts";
import { openClient } from "../support/raw_client.ts";
import { curl, openSite, type Site } from "./l7_site.ts";
import { takeBlock } from "./runbook_blocks.ts";
import { Host } from "./runbook_host.ts";

/** Follows them. */
export async function alerts(t: Deno.TestContext): Promise<void> {
  await using site = await openSite();
  await using silent = silentBackend();
  const addrs = freePorts(3).map((port) => `127.0.0.1:${port}`);
  const main = [
    { hostname: "dead.test", backend: "127.0.0.1:1" },
    { hostname: "loop.test", backend: addrs[1]! },
    { hostname: "silent.test", backend: silent.addr },
    site.route("h2c.test", site.clear),
    site.route("down.test", "127.0.0.1:1"),
    { ...site.route("other.test", site.clear), tls_cert: `${site.folder}/none.pem` },
  ];
  await using host = await Host.make({
    listeners: [
      { addr: addrs[0]!, routes: main },
      { addr: addrs[1]!, max_connections: 1, routes: [{ hostname: "silent.test", backend: silent.addr }] },
      { addr: addrs[2]!, proxy_protocol: true, trusted_proxies: ["192.0.2.1"], routes: [] },
    ],
    firewall: { rate_limit: 1, rate_burst: 60 },
    log: { requests: true },
    http: { max_control_frames_per_second: 50 },
    proxy: { workers: 1, shutdown_timeout: "60s" },
  });
  await host.succeed("systemctl start mc-proxy");
  await t.step("clients that are kept out or fail", () => clients(host, addrs));
  await t.step("requests that fail", () => requests(host, site));
  await t.step("certificates", () => certificates(host));
  await t.step("a worker dies", () => worker(host));
  await t.step("a drain that a signal ends", () => drain(host));
}

async function clients(host: Host, [, narrow, behind]: readonly string[]): Promise<void> {
  await host.connect("nowhere.test", "unknown_name");
  assert.match(await host.follow("McProxyUnknownNames"), /^ +1 nowhere\.test\n[^]* dead\.test /);
  await host.connect("dead.test", "dial_failed");
  const dial = await host.follow("McProxyDialFailures", 0, { BACKEND: host.addr });
  assert.match(dial, /^ +1 "backend":"127\.0\.0\.1:1"\n[^]*(unrecognized name|CONNECTION|alert)/);
  await host.connect("loop.test", "loop");
  assert.match(await host.follow("McProxyInternalErrors"), /"reason":"loop"/);
  await host.send(latin1("GET / HTTP/1.1\r\n\r\n"), "not_tls");
  await host.send(new Uint8Array(), "hello_eof", "127.0.0.5");
  const hellos = await host.follow("McProxyHelloFailures");
  for (const line of [/^ +1 not_tls$/m, /^ +\d hello_eof$/m, /^ +\d 127\.0\.0\.1$/m, /^ +1 127\.0\.0\.5$/m]) {
    assert.match(hellos, line);
  }
  await host.connect("silent.test", "proxy_untrusted", "127.0.0.6", behind);
  assert.match(await host.follow("McProxyProxyHeaders"), /^ +1 127\.0\.0\.6\n[^]*PROXY from 192\.0\.2\.1/);
  await overLimit(host, narrow!);
  // The bucket of this address holds 60 and gets one a second: no machine is so slow that 150 fit.
  const hello = clientHello({ serverName: "nowhere.test" });
  await Promise.all(Array.from({ length: 150 }, () => exchangeFrom("127.0.0.7", host.addr, hello)));
  await host.succeed(`until [ "$(ends rate_limited | wc -l)" -ge 1 ]; do sleep 0.05; done`);
  assert.match(await host.follow("McProxyRateLimited"), /^ +\d+ 127\.0\.0\.7$/m);
  assert.match(
    await host.follow("McProxyRateTableFull"),
    /^ +\d+ 127\.0\.0\.7\n[^]*^mcproxy_firewall_verdicts_total\{type="rate_limit",mode="enforce"\} [1-9]/m,
  );
  assert.match(
    await host.follow("McProxyAcceptErrors"),
    new RegExp(`"event":"starting"[^]*^Max open files[^]*^LISTEN +0 +\\d+ +${host.addr} `, "m"),
  );
  assert.match(
    await host.follow("McProxyEventLoopLag"),
    /^mcproxy_event_loop_lag_seconds\{process="main"\} \d[^]*^mcproxy_event_loop_lag_seconds\{process="0"\} \d[^]*^ +PID %CPU /m,
  );
  assert.match(await host.follow("McProxyEventsDropped"), /^mcproxy_events_dropped_total 0\n\{"time"/);
}

/** A listener that takes one connection has one, which the runbook's command then ends. */
async function overLimit(host: Host, addr: string): Promise<void> {
  using client = await openClient(addr);
  await client.send(clientHello({ serverName: "silent.test" }));
  await host.succeed(`until mc-proxy connections list -c "$CONFIG" | grep silent.test; do sleep 0.05; done`);
  await host.connect("silent.test", "over_limit", "127.0.0.4", addr);
  assert.match(
    await host.follow("McProxyOverLimit", 0),
    /^ +1 127\.0\.0\.4\n1 connections? open[^]*"max_connections":\d+\}\n$/,
  );
  assert.equal(await host.follow("McProxyOverLimit", 1, { CLIENT: "127.0.0.1" }), "1 closed\n");
  assert.equal((await client.readToEnd()).end, "reset");
}

async function requests(host: Host, site: Site): Promise<void> {
  assert.equal((await curl(site, host.addr, "down.test", "/")).status, 502);
  await host.succeed(`until log | grep '"status":502'; do sleep 0.05; done`);
  assert.match(
    await host.follow("McProxyServerErrors"),
    /^mcproxy_requests_total\{route="\S+ down\.test",class="5xx"\} 1\n[^]*"status":502/m,
  );
  assert.equal(await host.follow("McProxyServerErrors", 1, { BACKEND: site.clear }), "2 200\n1.1 200\n");
  const backend = { BACKEND: site.secure, NAME: "h2tls.test", CA: `${site.folder}/ca.pem` };
  assert.match(
    await host.follow("McProxyServerErrors", 2, backend),
    /^ALPN protocol: h2$[^]*Verify return code: 0 \(ok\)/m,
  );
  const stranger = { ...backend, CA: `${site.folder}/stranger.pem` };
  assert.match(await host.follow("McProxyServerErrors", 2, stranger), /error/);
  const [hostname, port] = host.addr.split(":");
  const tls = await Deno.connect({ hostname: hostname!, port: Number(port) });
  using client = await Deno.startTls(tls, {
    hostname: "h2c.test",
    caCerts: [site.authority],
    alpnProtocols: ["h2"],
  });
  await client.handshake();
  const pings = Array.from({ length: 1_000 }, () => frame(FrameType.PING, 0, 0, new Uint8Array(8)));
  await client.write(concat(PREFACE, settings(), ...pings));
  await host.succeed(`until ends flood | grep flood; do sleep 0.05; done`);
  assert.match(
    await host.follow("McProxyFlood"),
    /^mcproxy_flood_total\{kind="ping"\} 1\n +1 127\.0\.0\.1\n$/,
  );
}

async function certificates(host: Host): Promise<void> {
  const told = await host.follow("McProxyCertificateUnusable");
  assert.match(
    told,
    /^certificate \S+ other\.test +until never +it can't be used[^]*"event":"certificate_unusable".*none\.pem/m,
  );
  assert.match(
    await host.follow("McProxyCertificateExpires"),
    /^certificate \S+ h2c\.test +until \d{4}-\d\d-/m,
  );
}

async function worker(host: Host): Promise<void> {
  await host.succeed('kill -KILL $(cat "/proc/$(pid)"/task/*/children)');
  await host.succeed(`until log | grep worker_replaced; do sleep 0.05; done`);
  assert.match(
    await host.follow("McProxyWorkerRestarts"),
    /"event":"worker_lost".*"signal":"SIGKILL"[^]*"event":"worker_replaced"/,
  );
}

async function drain(host: Host): Promise<void> {
  using client = await openClient(host.addr);
  await client.send(clientHello({ serverName: "silent.test" }));
  await host.succeed(`until mc-proxy connections list -c "$CONFIG" | grep silent.test; do sleep 0.05; done`);
  await host.succeed('kill -TERM "$(pid)"; until state | grep draining; do sleep 0.05; done');
  const processes = await host.follow("Drain never ends", 0);
  for (const line of [/^\{.*"event":"draining"/, / server -c \S+\n/, / worker\n/]) {
    assert.match(processes, line);
  }
  // Two signals within a second are one.
  const second = `sleep 1.1; ${takeBlock("Drain never ends", 1)}`;
  await host.succeed(second);
  assert.match(await host.succeed("state"), /"level":"warning","event":"stopped",.*second signal/);
}
