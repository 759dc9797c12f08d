/**
 * Goal: `kill -9` at any moment of a stream of changes leaves the last revision that was answered, or the one after it,
 * whole, and what runs after the restart is what is stored.
 * Method: the real program, changed one thing after the other, each change known by its revision's number; killed after a
 * random time, started again, and compared with what that revision must hold.
 *
 * @module
 */

import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";

import type { AdminClient } from "../../src/admin/client.ts";
import {
  FirewallRuleSchema,
  FirewallRuleType,
  type Route,
} from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { startProxy } from "../support/proxy.ts";
import { type Program, startServer } from "../support/program.ts";
import { ADMIN_SOCKET, adminOf } from "./admin_api.ts";
import { applied, BACKEND, route } from "./admin_calls.ts";

const KILLS = Deno.env.has("MC_PROXY_TEST_FULL") ? 200 : 20;
const TABLES = {
  listeners: [{ routes: [{ hostname: "a.test", backend: BACKEND }] }],
  grpc: ADMIN_SOCKET,
  proxy: { workers: 1 },
};

type Api = AdminClient["api"];

/** What a revision holds: hostnames with their backends, and rules. */
interface Content {
  readonly routes: ReadonlyMap<string, string>;
  readonly rules: readonly string[];
}

function ruleOf(revision: number): { type: FirewallRuleType; value: string } {
  const value = `10.${revision >> 16 & 255}.${revision >> 8 & 255}.${revision & 255}`;
  return { type: FirewallRuleType.IP, value };
}

/** Makes the change that leads to a revision. */
async function change(api: Api, revision: number): Promise<number> {
  const hostname = `${revision}.test`;
  switch (revision % 4) {
    case 0:
      return (await api.addRoute({ route: { hostname, backend: BACKEND } })).revision;
    case 1:
      return (await api.addFirewallRule({ rule: ruleOf(revision) })).revision;
    case 2:
      return (await api.apply({
        operations: applied(
          { case: "addRoute", value: route({ hostname }) },
          { case: "addFirewallRule", value: create(FirewallRuleSchema, ruleOf(revision)) },
          {
            case: "updateRoute",
            value: route({ hostname: "a.test", backend: `127.0.0.1:${1 + revision % 60_000}` }),
          },
        ),
      })).revision;
    default:
      return (await api.removeRoute({ hostname: `${revision - 1}.test` })).revision;
  }
}

/** What a revision must hold. */
function contentAt(last: number): Content {
  const routes = new Map([["a.test", BACKEND]]);
  const rules: string[] = [];
  for (let revision = 2; revision <= last; revision++) {
    const step = revision % 4;
    if (step === 3) routes.delete(`${revision - 1}.test`);
    if (step === 0 || step === 2) routes.set(`${revision}.test`, BACKEND);
    if (step === 1 || step === 2) rules.push(ruleOf(revision).value);
    if (step === 2) routes.set("a.test", `127.0.0.1:${1 + revision % 60_000}`);
  }
  return { routes, rules };
}

/** What the program serves, and what decides in it. */
async function assertServes(api: Api, revision: number): Promise<void> {
  const { routes, rules } = contentAt(revision);
  const served = (await api.listRoutes({})).routes;
  assert.deepEqual(new Map(served.map(({ hostname, backend }: Route) => [hostname, backend])), routes);
  assert.deepEqual((await api.getFirewallRules({})).rules.map(({ value }) => value), rules);
  const { status } = await api.getStatus({});
  assert.deepEqual([status?.revision, status?.problems], [revision, []]);
  assert.ok(status?.workers.every((worker) => worker.isCurrent && worker.revision === revision));
  const said = { case: "serverName", value: "a.test" } as const;
  const explained = await api.explain({ client: "192.0.2.1", said });
  assert.deepEqual([explained.backend, explained.revision], [routes.get("a.test"), revision]);
  const blocked = rules.at(-1);
  if (blocked !== undefined) {
    assert.equal((await api.explain({ client: blocked, said })).reason, "blocked_ip");
  }
}

Deno.test("a kill in a stream of changes leaves the answered revision or the one after it", async () => {
  await using proxy = await startProxy(TABLES);
  const { folder, path } = proxy.config;
  let program: Program = proxy.program;
  let answered = 1;
  let cut = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    await using client = await adminOf(folder);
    const calm = 1 + Math.floor(Math.random() * 3);
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      for (let count = 1;; count++) {
        const startedMs = performance.now();
        const revision = await change(client.api, answered + 1);
        assert.equal(revision, answered + 1);
        answered = revision;
        // Some moment of the next change, or of the one after it, however fast the machine is.
        const lengthMs = performance.now() - startedMs;
        if (count === calm) {
          timer = setTimeout(() => program.signal("SIGKILL"), Math.random() * 1.5 * lengthMs);
        }
      }
    } catch (error) {
      if (timer === undefined || error instanceof assert.AssertionError) throw error;
    }
    clearTimeout(timer);
    await program.completed();
    if (program !== proxy.program) await program[Symbol.asyncDispose]();
    program = await startServer(path);
    await using again = await adminOf(folder);
    const { revision } = await again.api.listRoutes({});
    assert.ok(revision === answered || revision === answered + 1, `${revision} after ${answered}`);
    await assertServes(again.api, revision);
    if (revision > answered) cut++;
    answered = revision;
  }
  await program[Symbol.asyncDispose]();
  assert.ok(answered > KILLS, `${answered} revisions, ${cut} cut`);
});
