/**
 * Goal: every command that asks a running server does what it says, in text and in JSON, with its exit codes.
 * Method: the real program as server and as command.
 *
 * @module
 */

import assert from "node:assert/strict";

import { CertificateAuthority } from "../support/certificates.ts";
import { clientHello } from "../support/client_hello.ts";
import { configText } from "../support/config.ts";
import { freePort } from "../support/ports.ts";
import { type Completed, runProgram } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { exchange } from "../support/raw_client.ts";
import { eventually } from "./eventually.ts";

const TABLES = {
  listeners: [{ routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }] }],
  grpc: { addr: "unix:admin.sock" },
  proxy: { workers: 1 },
};

/** Runs a command against the proxy and wants exit code 0. */
async function run(proxy: Proxy, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram([...args, "-c", proxy.config.path]);
  assert.equal(code, 0, `${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

function refused(proxy: Proxy, ...args: string[]): Promise<Completed> {
  return runProgram([...args, "-c", proxy.config.path]);
}

Deno.test("the commands list and change routes, rules and listeners of a running server", async () => {
  await using proxy = await startProxy(TABLES);
  assert.match(await run(proxy, "status"), /^healthy\nmc-proxy .*revision 1\.0\n/);
  assert.equal(JSON.parse(await run(proxy, "status", "--json")).status.is_healthy, true);
  assert.equal(await run(proxy, "routes", "add", "b.test", "127.0.0.1:2"), "revision 2\n");
  await run(proxy, "routes", "update", "b.test", "--disable", "--max-connections", "7");
  assert.match(
    await run(proxy, "routes", "list"),
    /^2 {2}\S+ {2}b\.test {2}127\.0\.0\.1:2 {2}l4 {2}disabled/m,
  );
  assert.match(await run(proxy, "routes", "remove", "b.test"), /^revision 4, 0 open connections/);
  await run(
    proxy,
    "firewall",
    "add",
    "cidr",
    "192.0.2.0/24",
    "--shadow",
    "--ttl",
    "1h",
    "--comment",
    "a test",
  );
  assert.match(
    await run(proxy, "firewall", "list"),
    /block {2}cidr {2}192\.0\.2\.0\/24 {2}shadow {2}until .* a test/,
  );
  assert.match(
    await run(proxy, "explain", "192.0.2.1", "a.test"),
    /^goes to 127\.0\.0\.1:1\nrule 1 block cidr .*: shadow\nroute .*: decided \(the exact name\)\ntimeouts /,
  );
  await run(proxy, "firewall", "remove", "1");
  assert.match(await run(proxy, "listeners", "list"), /1 route /);
  assert.match(await run(proxy, "connections", "list"), /^0 connections/m);
  assert.match(await run(proxy, "revisions", "list"), /^6 .* rpc {2}uid:\d+\n {4}- firewall/);
  assert.match(await run(proxy, "revisions", "diff", "1", "2"), /^\+ route .* b\.test -> 127\.0\.0\.1:2$/m);
  assert.match(await run(proxy, "revisions", "rollback", "2"), /^\+ route .* b\.test/);
  assert.match(await run(proxy, "metrics"), /^mcproxy_config_revision 7$/m);
  assert.match(await run(proxy, "snapshot", "--online"), /revision 7, integrity verified/);
  assert.match(await run(proxy, "reload"), /nothing to read again/);
  const wrong = await refused(proxy, "routes", "remove", "x.test");
  assert.deepEqual([wrong.code, wrong.stdout], [1, ""]);
  assert.match(wrong.stderr, /^mc-proxy: listener \S+ has no route "x\.test"\n$/);
  assert.equal((await refused(proxy, "firewall", "add", "name", "x")).code, 2);
});

Deno.test("apply brings a server to what a file says, and export gives a file that changes nothing", async () => {
  await using proxy = await startProxy(TABLES);
  const file = `${proxy.config.folder}/wanted.toml`;
  const listeners = [
    { addr: proxy.addr, routes: [{ hostname: "b.test", backend: "127.0.0.1:2", max_connections: 3 }] },
  ];
  const firewall = { blocked_ips: ["192.0.2.1"] };
  await Deno.writeTextFile(file, configText({ listeners, firewall }));
  const dry = await run(proxy, "apply", "-f", file, "--prune", "--dry-run");
  assert.match(
    dry,
    /^- route \S+ a\.test .*\n\+ route \S+ b\.test .*\n\+ firewall block ip 192\.0\.2\.1\nnothing was changed: .* revision 1\n$/,
  );
  assert.match(await run(proxy, "apply", "-f", file), /^revision 2$/m);
  assert.equal((await run(proxy, "routes", "list")).trim().split("\n").length, 2);
  assert.match(
    await run(proxy, "apply", "-f", file, "--prune", "--confirm-within", "60s"),
    /unless confirmed/,
  );
  assert.equal(await run(proxy, "confirm"), "revision 3 stays\n");
  assert.equal(await run(proxy, "apply", "-f", file, "--prune"), "no difference\nrevision 3\n");
  await Deno.writeTextFile(file, await run(proxy, "export"));
  assert.equal(await run(proxy, "apply", "-f", file, "--prune"), "no difference\nrevision 3\n");
  await Deno.writeTextFile(file, configText({ listeners }));
  assert.equal(await run(proxy, "apply", "-f", file), "no difference\nrevision 3\n");
  assert.equal(
    await run(proxy, "apply", "-f", file, "--prune"),
    "- firewall block ip 192.0.2.1\nrevision 4\n",
  );
  const expires = new Date(Date.now() - 60_000);
  await Deno.writeTextFile(
    file,
    configText({ listeners, firewall: { rules: [{ type: "ip", value: "192.0.2.2", expires }] } }),
  );
  assert.equal(await run(proxy, "apply", "-f", file, "--prune"), "no difference\nrevision 4\n");
});

Deno.test("apply takes back what nobody confirms, and says until when", async () => {
  await using proxy = await startProxy(TABLES);
  const file = `${proxy.config.folder}/wanted.toml`;
  const listeners = [{ addr: proxy.addr, routes: [{ hostname: "b.test", backend: "127.0.0.1:2" }] }];
  await Deno.writeTextFile(file, configText({ listeners }));
  const from = proxy.program.events.length;
  const applied = await run(proxy, "apply", "-f", file, "--confirm-within", "1s");
  assert.match(
    applied,
    /^\+ route \S+ b\.test .*\nrevision 2\ngoes back at \S+ unless confirmed: mc-proxy confirm\n$/,
  );
  await proxy.program.event(
    ({ event, kind }) => event === "config_changed" && kind === "revert",
    10_000,
    from,
  );
  assert.doesNotMatch(await run(proxy, "routes", "list"), /b\.test/);
  assert.match(await run(proxy, "revisions", "list", "--limit", "1"), /^3 {2}\S+ {2}revert {2}system\n/);
  const late = await refused(proxy, "confirm");
  assert.equal(late.code, 1);
  assert.match(late.stderr, /^mc-proxy: .*\n$/);
});

Deno.test("changes by the commands are what clients meet", async (t) => {
  await using proxy = await startProxy(TABLES);
  const alertOf = async (addr: string, serverName: string) =>
    (await exchange(addr, clientHello({ serverName }))).bytes.at(-1);
  /** How a connection ends that gets no byte. */
  const endOf = async (addr: string) => {
    try {
      const { bytes, end } = await exchange(addr, clientHello({ serverName: "a.test" }));
      return bytes.length === 0 ? end : "answered";
    } catch (error) {
      return /ECONNRESET/.test(String(error)) ? "reset" : String(error);
    }
  };
  const [unknownName, internalError] = [112, 80];
  await t.step("a route comes, rests and goes", async () => {
    assert.equal(await alertOf(proxy.addr, "b.test"), unknownName);
    await run(proxy, "routes", "add", "b.test", "127.0.0.1:1");
    assert.equal(await alertOf(proxy.addr, "b.test"), internalError);
    await run(proxy, "routes", "update", "b.test", "--disable");
    assert.equal(await alertOf(proxy.addr, "b.test"), unknownName);
    await run(proxy, "routes", "update", "b.test", "--enable");
    assert.equal(await alertOf(proxy.addr, "b.test"), internalError);
    await run(proxy, "revisions", "rollback", "1");
    assert.equal(await alertOf(proxy.addr, "b.test"), unknownName);
  });
  await t.step("a listener comes and goes", async () => {
    const addr = `127.0.0.1:${freePort()}`;
    await run(proxy, "listeners", "add", addr, "--max-connections", "5");
    assert.equal(await alertOf(addr, "a.test"), unknownName);
    await run(proxy, "listeners", "remove", addr);
    await assert.rejects(alertOf(addr, "a.test"), /ECONNREFUSED/);
  });
  await t.step("a rule ends what is open, and lets nobody in", async () => {
    const [hostname = "", port] = proxy.addr.split(":");
    using held = await Deno.connect({ hostname, port: Number(port) });
    await held.write(clientHello({ serverName: "a.test" }).subarray(0, 5));
    await eventually(
      "the held connection",
      async () => /^1 connection$/m.test(await run(proxy, "connections", "list")),
    );
    const added = await run(proxy, "firewall", "add", "ip", "127.0.0.1", "--existing", "close");
    assert.match(added, /^rule (\d+), revision \d+, 1 open connections concerned\n$/);
    await assert.rejects(held.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
    assert.equal(await endOf(proxy.addr), "reset");
    await run(proxy, "firewall", "remove", /^rule (\d+)/.exec(added)![1]!);
    assert.equal(await alertOf(proxy.addr, "a.test"), internalError);
  });
});

Deno.test("routes update changes what is named of a layer-7 route and nothing else", async () => {
  await using proxy = await startProxy(TABLES);
  const { certificate, key } = await (await CertificateAuthority.create()).issue({ names: ["l7.test"] });
  const { folder } = proxy.config;
  await Deno.writeTextFile(`${folder}/l7.pem`, certificate);
  await Deno.writeTextFile(`${folder}/l7.key`, key);
  const files = ["--tls-cert", `${folder}/l7.pem`, "--tls-key", `${folder}/l7.key`];
  await run(
    proxy,
    "routes",
    "add",
    "l7.test",
    "127.0.0.1:1",
    "--mode",
    "l7",
    ...files,
    "--max-body-bytes",
    "9",
    "--idle-timeout",
    "5m",
  );
  const route = async () => {
    const { routes } = JSON.parse(await run(proxy, "routes", "list", "--json"));
    const { l7, idle_timeout, mode } = routes.find(({ hostname }: { hostname: string }) =>
      hostname === "l7.test"
    );
    return { mode, idle_timeout, ...l7 };
  };
  const first = await route();
  assert.deepEqual([first.mode, first.idle_timeout, first.max_body_bytes, first.backend_protocol], [
    "ROUTE_MODE_L7",
    "300s",
    "9",
    "BACKEND_PROTOCOL_H2C",
  ]);
  await run(proxy, "routes", "update", "l7.test", "--backend-protocol", "http/1.1");
  assert.deepEqual(await route(), { ...first, backend_protocol: "BACKEND_PROTOCOL_HTTP1" });
  await run(proxy, "routes", "update", "l7.test", "--acme-backend", "127.0.0.1:7");
  assert.deepEqual(await route(), {
    ...first,
    backend_protocol: "BACKEND_PROTOCOL_HTTP1",
    acme_backend: "127.0.0.1:7",
  });
  await run(proxy, "routes", "update", "l7.test", "--acme-backend", "");
  await run(proxy, "routes", "update", "l7.test", "--backend-tls", "--backend-server-name", "b.test");
  const secure = await route();
  assert.deepEqual([secure.backend_tls, secure.backend_protocol, secure.backend_server_name], [
    true,
    "BACKEND_PROTOCOL_H2",
    "b.test",
  ]);
  await run(
    proxy,
    "routes",
    "update",
    "l7.test",
    "--no-backend-tls",
    "--max-body-bytes",
    "default",
    "--idle-timeout",
    "default",
    "--backend-server-name",
    "",
  );
  const { max_body_bytes: _bytes, idle_timeout: _idle, ...rest } = first;
  assert.deepEqual(JSON.parse(JSON.stringify(await route())), rest);
  await run(proxy, "routes", "update", "l7.test", "--mode", "l4");
  assert.deepEqual(JSON.parse(JSON.stringify(await route())), { mode: "ROUTE_MODE_L4" });
  const conflict = await refused(
    proxy,
    "routes",
    "update",
    "l7.test",
    "--disable",
    "--expected-revision",
    "2",
  );
  assert.equal(conflict.code, 1);
  assert.match(conflict.stderr, /^mc-proxy: .*revision.*8.*\n$/);
  const l4 = await refused(proxy, "routes", "update", "l7.test", "--max-body-bytes", "5");
  assert.deepEqual([l4.code, l4.stdout], [2, ""]);
  assert.match(l4.stderr, /^mc-proxy: "l7\.test" is a layer-4 route: add --mode l7/);
  const nothing = await refused(proxy, "routes", "update", "l7.test");
  assert.deepEqual([nothing.code, nothing.stderr], [
    2,
    "mc-proxy: nothing to change: name an option such as --backend HOST:PORT\n",
  ]);
});
