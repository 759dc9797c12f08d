/**
 * Goal: every wrong call is refused with its code and field, and changes nothing.
 * Method: the real program; one row for each call and mistake; afterwards the revision and what is served are as before.
 *
 * @module
 */

import assert from "node:assert/strict";
import { startProxy } from "../support/proxy.ts";
import { ADMIN_SOCKET, adminOf, codeOf, refusalOf } from "./admin_api.ts";
import { applied, BACKEND, IP, route, STANDING } from "./admin_calls.ts";
import { LISTENERS, ROUTES, RULES } from "./refused_changes.ts";
import { QUESTIONS, REVISIONS } from "./refused_questions.ts";

Deno.test("a wrong call is refused with its code and field, and changes nothing", async (t) => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0, reusePort: true });
  const routes = ["a.test", "b.test"].map((hostname) => ({ hostname, backend: BACKEND }));
  await using proxy = await startProxy({
    listeners: [{ routes }, {}],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 2 },
  });
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  await api.addFirewallRule({ rule: STANDING });
  const place = { first: proxy.addrs[0]!, second: proxy.addrs[1]!, taken: `127.0.0.1:${taken.addr.port}` };
  const before = [await api.listListeners({}), await api.getFirewallRules({}), await api.listRevisions({})];
  for (
    const [code, field, message, call] of [...LISTENERS, ...ROUTES, ...RULES, ...REVISIONS, ...QUESTIONS]
  ) {
    await t.step(`${code} ${field} ${message}`, async () => {
      const refusal = await refusalOf(call(api, place));
      assert.deepEqual([refusal.code, refusal.field, refusal.revision], [code, field, 2], refusal.message);
      assert.match(refusal.message, message);
    });
  }
  const after = [await api.listListeners({}), await api.getFirewallRules({}), await api.listRevisions({})];
  assert.deepEqual(after, before);
});

Deno.test("every change is refused while one waits for its confirmation, and made afterwards", async () => {
  await using proxy = await startProxy({ listeners: [{}], grpc: ADMIN_SOCKET, proxy: { workers: 1 } });
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  const operations = applied({ case: "addRoute", value: route() });
  await api.apply({ operations, confirmWithin: { seconds: 3_600n } });
  const calls: readonly (() => Promise<unknown>)[] = [
    () => api.addListener({ listener: { addr: "127.0.0.1:2" } }),
    () => api.removeListener({ id: 1 }),
    () => api.addRoute({ route: { hostname: "b.test", backend: BACKEND } }),
    () => api.updateRoute({ route: { id: 1, backend: BACKEND } }),
    () => api.removeRoute({ id: 1 }),
    () => api.addFirewallRule({ rule: IP }),
    () => api.removeFirewallRule({ id: 1 }),
    () => api.apply({ operations: [] }),
    () => api.rollback({ revision: 1 }),
    () => api.confirm({ revision: 1 }),
  ];
  for (const call of calls) assert.equal(await codeOf(call()), "FailedPrecondition");
  assert.equal((await api.confirm({ revision: 2 })).revision, 2);
  assert.equal((await api.removeRoute({ id: 1 })).revision, 3);
});
