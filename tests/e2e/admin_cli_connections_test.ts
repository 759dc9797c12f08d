/**
 * Goal: `connections list`, `watch` and `close` tell of and end live connections, and no name that a stranger chose
 * reaches a terminal as it is.
 * Method: the real program as server and as command; clients through its listener.
 *
 * @module
 */

import assert from "node:assert/strict";
import { connectAdmin } from "../../src/admin/client.ts";
import { FirewallRuleType } from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { silentBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { Program, runProgram } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { exchange } from "../support/raw_client.ts";
import { eventually } from "./eventually.ts";

async function run(proxy: Proxy, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram([...args, "-c", proxy.config.path]);
  assert.equal(code, 0, `${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

function start(backend: string): Promise<Proxy> {
  return startProxy({
    listeners: [{ routes: [{ hostname: "a.test", backend }, { hostname: "b.test", backend }] }],
    grpc: { addr: "unix:admin.sock" },
    proxy: { workers: 1 },
  });
}

/** Opens a connection that stays. */
async function hold(proxy: Proxy, serverName: string): Promise<Deno.TcpConn> {
  const [hostname = "", port] = proxy.addr.split(":");
  const conn = await Deno.connect({ hostname, port: Number(port) });
  await conn.write(clientHello({ serverName }));
  return conn;
}

Deno.test("connections list shows live ones by filter, and close ends those and no others with a RST", async () => {
  await using backend = silentBackend();
  await using proxy = await start(backend.addr);
  using first = await hold(proxy, "a.test");
  using second = await hold(proxy, "b.test");
  const listed = await eventually("two routed connections", async () => {
    const { connections } = JSON.parse(await run(proxy, "connections", "list", "--json"));
    return connections.length === 2 && connections.every(({ backend }: { backend: string }) =>
      backend !== ""
    ) && connections;
  });
  assert.match(
    await run(proxy, "connections", "list"),
    /^\S+ {2}\S+ {2}127\.0\.0\.1:\d+ {2}- {2}a\.test {2}127\.0\.0\.1:\d+ {2}\d+ in {2}0 out {2}\d{4}-/m,
  );
  const filters = [
    [["--route", "a.test"], 1],
    [["--client", "127.0.0.0/8"], 2],
    [["--client", "10.0.0.0/8"], 0],
    [["--listener", proxy.addr], 2],
    [["--min-age", "1h"], 0],
    [["--id", listed[0].id], 1],
    [["--id", listed[0].id, "--id", listed[1].id], 2],
    [["--limit", "1"], 2],
  ] as const;
  await Promise.all(filters.map(async ([filter, count]) => {
    const text = await run(proxy, "connections", "list", ...filter);
    assert.match(text, new RegExp(`^${count} connections?$`, "m"), filter.join(" "));
  }));
  const unfiltered = await runProgram(["connections", "close", "-c", proxy.config.path]);
  assert.equal(unfiltered.code, 2);
  assert.match(unfiltered.stderr, /^mc-proxy: .*\ball\b.*\n$/);
  assert.equal(await run(proxy, "connections", "close", "--route", "a.test"), "1 closed\n");
  await assert.rejects(first.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  assert.match(await run(proxy, "connections", "list"), /^1 connection$/m);
  assert.equal(await run(proxy, "connections", "close", "--all"), "1 closed\n");
  await assert.rejects(second.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
});

Deno.test("connections watch tells of each that ends as it ends, by filter, until its reader or the server goes", async () => {
  await using backend = silentBackend();
  await using proxy = await start(backend.addr);
  const args = ["connections", "watch", "-c", proxy.config.path];
  await using all = new Program(args);
  await using blocked = new Program([...args, "--route", "b.test", "--json"]);
  const probe = () => exchange(proxy.addr, clientHello({ serverName: "nowhere.test" })).catch(() => {});
  // There is no sign of a watch that has begun but what it tells.
  await eventually("a line of the watch", async () => {
    await probe();
    return all.output.stdout.includes("\n");
  });
  assert.match(
    all.output.stdout,
    /^\d{4}-\S+ 127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+ nowhere\.test unknown_name - \d+ in \d+ out\n/,
  );
  let killed = 0;
  const told = await eventually("an event of the filtered watch", async () => {
    using _held = await hold(proxy, "b.test");
    killed += Number(/^(\d+) closed\n$/.exec(await run(proxy, "connections", "close", "--all"))?.[1]);
    return blocked.output.stdout.includes("\n") && blocked.output.stdout;
  });
  const { event } = JSON.parse(told.split("\n")[0]!);
  assert.deepEqual([event.route, event.reason, event.server_name], ["b.test", "killed", "b.test"]);
  assert.doesNotMatch(blocked.output.stdout, /nowhere/);
  // The next watch would tell of those whose ends are still on their way.
  const { events } = proxy.program;
  await proxy.program.event(() => events.filter(({ reason }) => reason === "killed").length === killed);

  // `head -n 1` leaves after one line.
  const { path, args: flags } = (await import("../support/program_command.ts")).programCommand();
  const piped = new Deno.Command("/bin/sh", {
    args: ["-c", 'exec "$@" | head -n 1', "sh", path, ...flags, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  let isDone = false;
  const output = piped.output().finally(() => isDone = true);
  await eventually("the end of a watch without a reader", async () => {
    await probe();
    return isDone;
  }, 20_000);
  assert.match(new TextDecoder().decode((await output).stdout), /^[^\n]+ unknown_name [^\n]+\n$/);

  proxy.program.signal("SIGTERM");
  const { code, stderr } = await all.completed();
  assert.equal(code, 3);
  assert.match(stderr, /^mc-proxy: "unix:.*" has ended the connection \(.*\); is it about to stop\?\n$/);
});

Deno.test("no text of a command carries what steers a terminal, and JSON means the same", async () => {
  await using proxy = await start("127.0.0.1:1");
  const comment = "\u202e\u2028evil\u009b\u{e0041}";
  const settings = {
    addr: `unix:${proxy.config.folder}/admin.sock`,
    tlsCert: "",
    serverCa: "",
    clientCert: "",
    clientKey: "",
  };
  {
    await using admin = await connectAdmin(settings);
    await admin.api.addFirewallRule({ rule: { type: FirewallRuleType.IP, value: "192.0.2.9", comment } });
    const escape = { type: FirewallRuleType.IP, value: "192.0.2.8", comment: "\u001b[2J" };
    await assert.rejects(
      admin.api.addFirewallRule({ rule: escape }),
      /rule\.comment: wanted a text on one line/,
    );
  }
  await using watch = new Program(["connections", "watch", "--json", "-c", proxy.config.path]);
  await eventually("an event", async () => {
    await exchange(proxy.addr, clientHello({ serverName: "x.test", alpn: ["\u001b[31m", "h2"] })).catch(
      () => {},
    );
    return watch.output.stdout.includes("\n");
  });
  const line = watch.output.stdout.split("\n")[0]!;
  assert.deepEqual(JSON.parse(line).event.alpn[1], "h2");
  const texts = [line];
  const commands = [
    ["firewall", "list"],
    ["firewall", "list", "--json"],
    ["revisions", "diff"],
    ["revisions", "list", "--json"],
    ["export"],
    ["explain", "192.0.2.9", "a.test"],
  ];
  texts.push(...await Promise.all(commands.map((args) => run(proxy, ...args))));
  const wrong = await runProgram(["routes", "remove", "\u001b[31m", "-c", proxy.config.path]);
  assert.equal(wrong.code, 2);
  texts.push(wrong.stderr);
  // deno-lint-ignore no-control-regex -- it is what must not be there
  for (const text of texts) assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2028\u{e0041}]/u);
  assert.match(texts[1]!, /\\u202e\\u2028evil\\u009b\\udb40\\udc41/);
  assert.equal(JSON.parse(texts[2]!).rules[0].comment, comment);
  const file = `${proxy.config.folder}/export.toml`;
  await Deno.writeTextFile(file, texts[5]!);
  assert.match(await run(proxy, "apply", "-f", file, "--prune"), /^no difference$/m);
});
