/**
 * Goal: the admin API's Unix socket is its owner's alone, and one server's at a time; the standard services on it tell
 * the truth.
 * Method: the real program; the file system, /proc, RawGrpc, and grpcurl where it is installed.
 *
 * @module
 */

import assert from "node:assert/strict";

import { callHeaders, greeting, lastMessage, RawGrpc } from "../admin/raw_grpc.ts";
import { echoBackend } from "../support/backends.ts";
import { type ConfigTables, writeConfig } from "../support/config.ts";
import { hasProgram } from "../support/has_program.ts";
import { LineReader } from "../support/line_reader.ts";
import { freePort } from "../support/ports.ts";
import { descriptors } from "../support/processes.ts";
import { runProgram, startServer } from "../support/program.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";
import { startProxy } from "../support/proxy.ts";
import { ADMIN_SOCKET, adminOf, codeOf } from "./admin_api.ts";
import { EchoStream, SERVER_NAME } from "./echo_stream.ts";
import { eventually } from "./eventually.ts";

const LISTENERS = [{ routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }] }];

function tables(): ConfigTables {
  return { listeners: [{ addr: `127.0.0.1:${freePort()}` }], grpc: ADMIN_SOCKET, proxy: { workers: 1 } };
}

/** Mode of a file, `none` when there is none. */
async function modeOf(path: string): Promise<string> {
  const found = await Deno.lstat(path).catch(() => undefined);
  return found === undefined ? "none" : (found.mode! & 0o777).toString(8);
}

Deno.test("the socket is its owner's, goes with the server, and is taken over when its server was killed", async () => {
  await using config = await writeConfig(tables());
  const path = `${config.folder}/admin.sock`;
  {
    await using program = await startServer(config.path);
    assert.equal(await modeOf(path), "600");
    program.signal("SIGTERM");
    assert.equal((await program.completed()).code, 0);
    assert.equal(await modeOf(path), "none");
  }
  {
    await using program = await startServer(config.path);
    program.signal("SIGKILL");
    await program.completed();
    assert.equal(await modeOf(path), "600");
  }
  await using _again = await startServer(config.path);
  await using admin = await adminOf(config.folder);
  await admin.api.addRoute({ route: { hostname: "b.test", backend: "127.0.0.1:1" } });
  const { revisions } = await admin.api.listRevisions({});
  assert.equal(revisions[0]?.author, `uid:${Deno.uid()}`);
});

Deno.test("a second server leaves the first one's socket alone and says whose it is", async () => {
  await using proxy = await startProxy({ listeners: LISTENERS, grpc: ADMIN_SOCKET, proxy: { workers: 1 } });
  const path = `${proxy.config.folder}/admin.sock`;
  await using other = await writeConfig({ ...tables(), grpc: { addr: `unix:${path}` } });
  const { code, stderr } = await runProgram(["server", "-c", other.path]);
  assert.equal(code, 2);
  assert.match(stderr, /another process listens on "\S+admin\.sock"; end it, or name another path/);
  await using admin = await adminOf(proxy.config.folder);
  assert.equal(await codeOf(admin.api.listRoutes({})), "none");
});

Deno.test("a worker inherits nothing of the admin API, whenever it is started", async () => {
  await using proxy = await startProxy({ listeners: LISTENERS, grpc: ADMIN_SOCKET, proxy: { workers: 1 } });
  const { program, config } = proxy;
  await using _one = await adminOf(config.folder);
  await using admin = await adminOf(config.folder);
  await admin.api.listRoutes({});
  const [before] = program.workers();
  Deno.kill(before!, "SIGKILL");
  const after = await eventually("another worker", () => program.workers().find((pid) => pid !== before));
  await eventually("it serves", async () => (await admin.api.getStatus({})).status?.workers[0]?.isCurrent);
  const unix = new Set(
    (await Deno.readTextFile("/proc/net/unix")).split("\n").filter((line) => line.includes(config.folder))
      .map(
        (line) => `socket:[${line.split(/\s+/)[6]}]`,
      ),
  );
  const held = (pid: number) => [...descriptors(pid).values()].filter((target) => unix.has(target)).length;
  // The listener and two connections.
  assert.equal(held(program.pid), 3);
  assert.equal(held(after), 0);
});

Deno.test("server reflection is off unless asked for, and has both versions then", async () => {
  // { list_services: "" }
  const request = [0x3a, 0];
  for (const [reflection, code] of [[false, 12], [true, 0]] as const) {
    await using proxy = await startProxy({
      listeners: LISTENERS,
      grpc: { ...ADMIN_SOCKET, reflection },
      proxy: { workers: 1 },
    });
    for (const version of ["v1", "v1alpha"]) {
      const path = `${proxy.config.folder}/admin.sock`;
      using client = new RawGrpc(await Deno.connect({ transport: "unix", path }));
      const method = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
      await client.send(greeting(), callHeaders(1, method), lastMessage(1, request));
      await client.line(new RegExp(`grpc-status ${code} `));
      if (code === 0) await client.line(/^DATA 1 \d{3}/);
    }
  }
});

Deno.test({
  name: "health says NOT_SERVING to those who watch it while connections are still accepted",
  ignore: !hasProgram("grpcurl"),
  fn: async () => {
    await using echo = echoBackend();
    await using proxy = await startProxy({
      listeners: [{ routes: [{ hostname: SERVER_NAME, backend: echo.addr }] }],
      grpc: { ...ADMIN_SOCKET, reflection: true },
      proxy: { workers: 1, drain_delay: "10s" },
    });
    const socket = `${proxy.config.folder}/admin.sock`;
    const watch = (service: string) => {
      const child = new Deno.Command("grpcurl", {
        args: [
          "-plaintext",
          "-unix",
          "-d",
          JSON.stringify({ service }),
          socket,
          "grpc.health.v1.Health/Watch",
        ],
        cwd: PROJECT_FOLDER,
        stdin: "null",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const said: string[] = [];
      const reader = new LineReader(child.stdout, (line) => said.push(line));
      return { child, said, reader };
    };
    const watches = ["", "mc_proxy.v1.ProxyAdminService", "unknown"].map(watch);
    const statuses = () =>
      watches.map(({ said }) =>
        said.join("").matchAll(/"status": "(\w+)"/g).map(([, status]) => status).toArray()
      );
    await eventually("all say", () => statuses().every(({ length }) => length === 1));
    proxy.program.signal("SIGTERM");
    await eventually(
      "both tell of the drain",
      () => statuses().filter(({ length }) => length === 2).length === 2,
    );
    assert.deepEqual(statuses(), [["SERVING", "NOT_SERVING"], ["SERVING", "NOT_SERVING"], [
      "SERVICE_UNKNOWN",
    ]]);
    await using stream = await EchoStream.open(proxy);
    assert.notEqual(stream, undefined);
    const check = await new Deno.Command("grpcurl", {
      args: ["-plaintext", "-unix", socket, "grpc.health.v1.Health/Check"],
    }).output();
    assert.match(new TextDecoder().decode(check.stdout), /NOT_SERVING/);
    for (const { child, reader } of watches) {
      child.kill("SIGKILL");
      await child.status;
      await reader.done;
    }
  },
});
