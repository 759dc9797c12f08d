/**
 * Goal: a change larger than one answer tells is made whole, said so, and can be read whole.
 * Method: the real program as server and as command; one more rule than an answer tells.
 *
 * @module
 */

import assert from "node:assert/strict";

import { FirewallRuleType } from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { CHANGES_TOLD_MAX } from "../../src/admin/told_changes.ts";
import { runProgram } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";
import { ADMIN_SOCKET, adminOf } from "./admin_api.ts";

const COUNT = CHANGES_TOLD_MAX + 1;

Deno.test("an apply of more changes than one answer tells is made, and revisions diff prints them all", async () => {
  await using proxy = await startProxy({
    listeners: [{ routes: [] }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 1 },
  });
  await using admin = await adminOf(proxy.config.folder);
  const values = Array.from({ length: COUNT }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
  const operations = values.map((value) => ({
    operation: { case: "addFirewallRule" as const, value: { type: FirewallRuleType.IP, value } },
  }));
  const { revision, changes, changeCount } = await admin.api.apply({ operations });
  assert.deepEqual([revision, changes.length, changeCount], [2, CHANGES_TOLD_MAX, COUNT]);
  const pages = [await admin.api.getFirewallRules({ limit: 4_000 })];
  while (pages.at(-1)!.rules.length === 4_000) {
    pages.push(await admin.api.getFirewallRules({ limit: 4_000, after: pages.at(-1)!.rules.at(-1)!.id }));
  }
  assert.deepEqual(pages.flatMap(({ rules }) => rules.map(({ value }) => value)), values);
  assert.deepEqual((await admin.api.getFirewallRules({ after: 1 << 30 })).rules, []);
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runProgram([...args, "-c", proxy.config.path]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const lines = (await run("revisions", "diff", "1", "2")).trim().split("\n");
  assert.deepEqual(lines, values.map((value) => `+ firewall block ip ${value}`));
  assert.match(await run("revisions", "list", "--limit", "1"), new RegExp(`… ${COUNT - 10} more`));
  assert.match(await run("revisions", "rollback", "1"), /^(- firewall .*\n){10000}… 1 more\nrevision 3\n$/);
});
