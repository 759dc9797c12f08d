/**
 * Goal: what Explain says would become of a connection is what becomes of it.
 * Method: the real program with one of every kind of rule and route; each row is explained by its name and by the bytes
 * of its hello, and then it is made and its event compared.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { AdminClient } from "../../src/admin/client.ts";
import { FirewallRuleType } from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import {
  type ExplainResponse,
  RouteMatch,
  Standing,
  Verdict,
} from "../../src/admin/gen/mc_proxy/v1/explain_pb.ts";
import { echoBackend } from "../support/backends.ts";
import { exchangeFrom } from "../support/bound_client.ts";
import { bytes, clientHello } from "../support/client_hello.ts";
import type { LogEvent } from "../support/program.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { exchange, openClient } from "../support/raw_client.ts";
import { ADMIN_SOCKET, adminOf, refusalOf } from "./admin_api.ts";
import { CLOSED, helloOf, type Row, ROWS, startScene } from "./explain_scene.ts";
import { versionTwo } from "./declared.ts";
import { eventually } from "./eventually.ts";
import { openSite } from "./l7_site.ts";

/** Explains a row by name where it has one, and by bytes; both must say the same. */
async function explained(api: AdminClient["api"], row: Row, listener: string): Promise<ExplainResponse> {
  const client = row.client ?? "127.0.0.1";
  const byHello = await api.explain({ listener, client, said: { case: "hello", value: helloOf(row) } });
  if (row.hello === undefined) {
    const said = { case: "serverName", value: row.serverName ?? "" } as const;
    const byName = await api.explain({ listener, client, said, alpn: [...row.alpn ?? []] });
    assert.deepEqual(byName, byHello);
  }
  return byHello;
}

/** The event of the row's real connection. */
async function happened({ program }: Proxy, row: Row, listener: string): Promise<LogEvent> {
  const from = program.events.length;
  const client = row.client ?? "127.0.0.1";
  if (row.listener === 1) await exchange(listener, bytes(versionTwo(client), helloOf(row)));
  else await exchangeFrom(client, listener, helloOf(row));
  return await program.connectionEvent({ listener }, 10_000, from);
}

/** What both say, in the event's words. */
function storyOf(answer: ExplainResponse, reason: string): Record<string, unknown> {
  const nameOf = (rule: ExplainResponse["rule"]) =>
    rule && `${FirewallRuleType[rule.type]!.toLowerCase()}:${rule.value}`;
  const shadow = answer.rules.filter(({ standing }) => standing === Standing.SHADOW).map(({ rule }) =>
    nameOf(rule)
  );
  return {
    reason,
    route: answer.route?.hostname,
    rule: nameOf(answer.rule),
    shadow: shadow.length === 0 ? undefined : shadow,
    // Nothing is read of a client that isn't let in.
    sni: answer.verdict === Verdict.DENY ? undefined : answer.serverName || undefined,
  };
}

function assertSame(row: Row, answer: ExplainResponse, event: LogEvent): void {
  const [route, acme] = [answer.verdict === Verdict.ROUTE, answer.verdict === Verdict.ACME];
  assert.equal(answer.reason || (acme ? "acme" : route ? "route" : "?"), row.expected);
  const { reason, route: hostname, rule, shadow, sni } = event;
  // What is let through ends with the backend that isn't there, or with a handshake that can't go on.
  if (route || acme) {
    assert.ok(
      ["dial_failed", "tls_failed", "tls_timeout"].includes(String(reason)),
      `routed, then ${reason}`,
    );
  }
  assert.deepEqual(
    { reason, route: hostname, rule, shadow, sni },
    storyOf(answer, answer.reason || String(reason)),
  );
  if (route || acme) assert.equal(answer.backend, event["backend"]);
}

Deno.test("Explain says of a connection what then becomes of it", async (t) => {
  await using site = await openSite();
  await using echo = echoBackend();
  await using proxy = await startScene(site, `127.0.0.1:${echo.port}`);
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  using held = await openClient(proxy.addr);
  await held.send(clientHello({ serverName: "full.test" }));
  await held.read();
  const expired = { type: FirewallRuleType.IP, value: "127.0.0.4" };
  await api.addFirewallRule({ rule: expired, ttl: { seconds: 0n, nanos: 1_000_000 } });
  for (const row of ROWS) {
    await t.step(row.name, async () => {
      const listener = proxy.addrs[row.listener ?? 0]!;
      const answer = await explained(api, row, listener);
      assertSame(row, answer, await happened(proxy, row, listener));
    });
  }
});

Deno.test("Explain names what won and what lost", async () => {
  await using site = await openSite();
  await using proxy = await startScene(site, CLOSED);
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  const listener = proxy.addr;
  const ask = (client: string, value: string, more: object = {}) =>
    api.explain({ listener, client, said: { case: "serverName", value }, ...more });
  const allowed = await ask("127.0.1.7", "exact.wild.test");
  assert.deepEqual(allowed.rules.map(({ rule, standing }) => [rule?.value, standing]), [
    ["127.0.1.7", Standing.DECIDED],
    ["127.0.1.0/24", Standing.OVERRIDDEN],
  ]);
  assert.deepEqual(allowed.routes.map(({ route, match, standing }) => [route?.hostname, match, standing]), [
    ["exact.wild.test", RouteMatch.EXACT, Standing.DECIDED],
    ["*.wild.test", RouteMatch.WILDCARD, Standing.OVERRIDDEN],
  ]);
  assert.equal(allowed.match, RouteMatch.EXACT);
  const disabled = await ask("127.0.0.1", "off.test");
  assert.deepEqual([disabled.routes[0]?.standing, disabled.warnings], [Standing.DISABLED, [
    "route off.test is disabled",
  ]]);
  const terminated = await ask("127.0.0.1", "h2c.test");
  assert.deepEqual([terminated.certificate?.coversHostname, terminated.timeouts?.idle?.seconds], [
    true,
    180n,
  ]);
  const broken = await ask("127.0.0.1", "h1.test");
  assert.equal(broken.certificate?.problem, "it can't be used; the log says why");
  const rule = { type: FirewallRuleType.IP, value: "127.0.0.5" };
  await api.addFirewallRule({ rule, ttl: { seconds: 3_600n } });
  assert.equal((await ask("127.0.0.5", "a.test")).reason, "blocked_ip");
  const later = { time: { seconds: BigInt(Math.ceil(Date.now() / 1_000)) + 3_700n, nanos: 0 } };
  const past = await ask("127.0.0.5", "a.test", later);
  assert.deepEqual([past.verdict, past.rules[0]?.standing], [Verdict.ROUTE, Standing.EXPIRED]);
  const rows = [
    [ask("x", "a.test"), "client"],
    [ask("127.0.0.1", "192.0.2.1"), "server_name"],
    [api.explain({ client: "127.0.0.1" }), "listener"],
    [
      api.explain({
        listener,
        client: "127.0.0.1",
        said: { case: "hello", value: clientHello().subarray(0, 9) },
      }),
      "hello",
    ],
  ] as const;
  for (const [call, field] of rows) {
    const { code, ...refusal } = await refusalOf(call);
    assert.deepEqual([code, refusal.field], ["InvalidArgument", field]);
  }
  assert.equal((await refusalOf(ask("127.0.0.1", "a.test", { listener: "127.0.0.1:1" }))).code, "NotFound");
});

Deno.test("Explain sees the limits by address as they stand", async () => {
  await using echo = echoBackend();
  await using proxy = await startProxy({
    listeners: [{ routes: [{ hostname: "a.test", backend: `127.0.0.1:${echo.port}` }] }],
    firewall: { max_connections_per_ip: 1, rate_limit: 1, rate_burst: 1_000 },
    grpc: ADMIN_SOCKET,
  });
  await using admin = await adminOf(proxy.config.folder);
  const ask = async (client: string) =>
    (await admin.api.explain({ client, said: { case: "serverName", value: "a.test" } })).reason;
  assert.equal(await ask("127.0.0.1"), "");
  {
    using held = await openClient(proxy.addr);
    await held.send(clientHello({ serverName: "a.test" }));
    await held.read();
    assert.deepEqual([await ask("127.0.0.1"), await ask("127.0.0.2")], ["over_limit", ""]);
    const { end } = await exchangeFrom("127.0.0.1", proxy.addr, clientHello({ serverName: "a.test" }));
    assert.equal(end, "ECONNRESET");
    await proxy.program.connectionEvent({ reason: "over_limit" });
  }
  await eventually("room for the address", async () => await ask("127.0.0.1") === "");
});
