/**
 * Goal: `kill -9` at any moment of a stream of changes leaves the last revision that was answered, or the one after it,
 * and what runs after the restart is what is stored.
 * Method: the real program, changed one rule after the other, killed after a random time, started again.
 *
 * @module
 */

import assert from "node:assert/strict";

import { connectAdmin } from "../../src/admin/client.ts";
import { FirewallRuleType } from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { startProxy } from "../support/proxy.ts";
import { type Program, startServer } from "../support/program.ts";

const KILLS = Deno.env.has("MC_PROXY_TEST_FULL") ? 200 : 20;
const TABLES = {
  listeners: [{ routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }] }],
  grpc: { addr: "unix:admin.sock" },
  proxy: { workers: 1 },
};

Deno.test("a kill in a stream of changes leaves the answered revision or the one after it", async () => {
  await using proxy = await startProxy(TABLES);
  const { folder, path } = proxy.config;
  const settings = {
    addr: `unix:${folder}/admin.sock`,
    tlsCert: "",
    serverCa: "",
    clientCert: "",
    clientKey: "",
  };
  let program: Program = proxy.program;
  let answered = 1;
  let cut = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    await using client = await connectAdmin(settings);
    const timer = setTimeout(() => program.signal("SIGKILL"), 5 + Math.random() * 60);
    try {
      for (;;) {
        const value = `10.${kill}.${Math.floor(answered / 250) % 250}.${answered % 250}`;
        const { revision } = await client.api.addFirewallRule({ rule: { type: FirewallRuleType.IP, value } });
        assert.equal(revision, answered + 1);
        answered = revision;
      }
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
    clearTimeout(timer);
    await program.completed();
    if (program !== proxy.program) await program[Symbol.asyncDispose]();
    program = await startServer(path);
    await using again = await connectAdmin(settings);
    const { rules, revision } = await again.api.getFirewallRules({});
    assert.ok(revision === answered || revision === answered + 1, `${revision} after ${answered}`);
    assert.equal(rules.length, revision - 1);
    const { status } = await again.api.getStatus({});
    assert.deepEqual([status?.revision, status?.isHealthy], [revision, true]);
    const last = rules.at(-1);
    if (last !== undefined) {
      const { reason } = await again.api.explain({
        client: last.value,
        said: { case: "serverName", value: "a.test" },
      });
      assert.equal(reason, "blocked_ip");
    }
    if (revision > answered) cut++;
    answered = revision;
  }
  await program[Symbol.asyncDispose]();
  assert.ok(answered > KILLS, `${answered} revisions, ${cut} cut`);
});
