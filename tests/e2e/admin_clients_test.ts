/**
 * Goal: gRPC clients made by others use the admin API as they use any other.
 * Method: `@grpc/grpc-js` in a child process over the Unix socket, and grpcurl where it is installed, against the real
 * program.
 *
 * @module
 */

import assert from "node:assert/strict";

import { type Ended, runCommand } from "../support/command.ts";
import { hasProgram } from "../support/has_program.ts";
import { startProxy } from "../support/proxy.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";

const TABLES = {
  listeners: [{ routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }] }],
  grpc: { addr: "unix:admin.sock", reflection: true },
  proxy: { workers: 1 },
};

function run(program: string, args: readonly string[]): Promise<Ended> {
  return runCommand(program, args, { cwd: PROJECT_FOLDER });
}

Deno.test("grpc-js makes every kind of call, and gets errors, cancellation and deadlines right", async () => {
  await using proxy = await startProxy(TABLES);
  const script = "tests/e2e/admin_grpc_client.ts";
  const addr = `unix:${proxy.config.folder}/admin.sock`;
  const { code, out, err } = await run(Deno.execPath(), ["run", "-A", "--no-check", script, addr, "proto"]);
  assert.equal(code, 0, err);
  const told = JSON.parse(out);
  assert.equal(told.status.value.status.is_healthy ?? told.status.value.status.isHealthy, true);
  assert.equal(told.added.value.revision, 2);
  assert.deepEqual([told.twice.code, told.twice.extra], [6, 1]);
  assert.match(told.twice.details, /has a route "b\.test" already/);
  assert.equal(told.large.code, 8);
  assert.equal(told.unknown.code, 5);
  assert.equal(told.cancelled.code, 1);
  assert.equal(told.late.code, 4);
  assert.equal(told.after.value.routes.length, 2);
});

Deno.test({
  name: "grpcurl lists, describes and calls by reflection",
  ignore: !hasProgram("grpcurl"),
  fn: async () => {
    await using proxy = await startProxy(TABLES);
    const socket = `${proxy.config.folder}/admin.sock`;
    const grpcurl = (...args: string[]) => run("grpcurl", ["-plaintext", "-unix", ...args]);
    const { out: list } = await grpcurl(socket, "list");
    assert.match(list, /^grpc\.health\.v1\.Health\n[^]*^mc_proxy\.v1\.ProxyAdminService$/m);
    const { out: described } = await grpcurl(socket, "describe", "mc_proxy.v1.Route");
    assert.match(described, /string hostname = 3;/);
    const service = "mc_proxy.v1.ProxyAdminService";
    const route = '{"route":{"hostname":"b.test","backend":"127.0.0.1:1"}}';
    const { out: added } = await grpcurl("-d", route, socket, `${service}/AddRoute`);
    assert.equal(JSON.parse(added).revision, 2);
    const { code, err } = await grpcurl("-d", route, socket, `${service}/AddRoute`);
    assert.equal(code, 64 + 6);
    assert.match(err, /"field": "route\.hostname"/);
    const { out: health } = await grpcurl(socket, "grpc.health.v1.Health/Check");
    assert.equal(JSON.parse(health).status, "SERVING");
  },
});
