/**
 * Goal: every command that asks a running server does what it says, in text and in JSON, with its exit codes.
 * Method: the real program as server and as command.
 *
 * @module
 */

import assert from "node:assert/strict";

import { configText } from "../support/config.ts";
import { type Completed, runProgram } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";

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
});

Deno.test("status ends with 3 when nobody answers, and says so", async () => {
  await using proxy = await startProxy(TABLES);
  proxy.program.signal("SIGTERM");
  await proxy.program.completed();
  const { code, stderr } = await refused(proxy, "status");
  assert.equal(code, 3);
  assert.match(stderr, /^mc-proxy: no mc-proxy answers at "unix:.*is the server running\?\n$/);
});

Deno.test("completion prints a script that bash reads", async () => {
  const { stdout } = await runProgram(["completion", "bash"]);
  const script =
    `${stdout}\nCOMP_WORDS=(mc-proxy routes a); COMP_CWORD=2; _mc_proxy; echo "\${COMPREPLY[@]}"`;
  const { success, stdout: words } = await new Deno.Command("bash", { args: ["-c", script] }).output();
  assert.ok(success);
  assert.equal(new TextDecoder().decode(words), "add\n");
});
