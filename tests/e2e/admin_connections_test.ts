/**
 * Goal: filters find the connections that they name, and `existing` does to those that a change concerns what it says.
 * Method: the real program with two listeners; streams to routes of both, from two addresses.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { AdminClient } from "../../src/admin/client.ts";
import { Existing } from "../../src/admin/gen/mc_proxy/v1/admin_pb.ts";
import {
  FirewallAction,
  FirewallMode,
  FirewallRuleType,
} from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";
import { type Backend, echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { countryDatabase } from "../support/country_database.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { openClient, type RawClient, type StreamEnd } from "../support/raw_client.ts";
import { ADMIN_SOCKET, adminOf } from "./admin_api.ts";
import { applied } from "./admin_calls.ts";
import { eventually } from "./eventually.ts";

/** How long what is drained may take. */
const DRAIN = "400ms";

/** Four streams: to routes `a.test` and `b.test` of the first listener, to `a.test` of the second, twice. */
class Scene implements AsyncDisposable {
  readonly streams: RawClient[] = [];

  private constructor(readonly proxy: Proxy, readonly admin: AdminClient, readonly backend: Backend) {}

  static async start(): Promise<Scene> {
    const backend = echoBackend();
    const target = `127.0.0.1:${backend.port}`;
    const folder = await Deno.makeTempDir();
    const geoip = `${folder}/country.mmdb`;
    await Deno.writeFile(geoip, countryDatabase({ "127.0.0.0/16": "DE", "127.1.0.0/16": "FR" }));
    const routes = ["a.test", "b.test"].map((hostname) => ({ hostname, backend: target }));
    const proxy = await startProxy({
      listeners: [{ routes }, { routes: routes.slice(0, 1) }],
      firewall: { geoip_db: geoip },
      grpc: ADMIN_SOCKET,
      proxy: { workers: 2, shutdown_timeout: DRAIN },
    });
    await Deno.remove(folder, { recursive: true });
    const scene = new Scene(proxy, await adminOf(proxy.config.folder), backend);
    const [first, second] = proxy.addrs as [string, string];
    for (const [addr, name] of [[first, "a"], [first, "b"], [second, "a"], [second, "a"]] as const) {
      const client = await openClient(addr);
      const hello = clientHello({ serverName: `${name}.test` });
      await client.send(hello);
      await client.readBytes(hello.length);
      scene.streams.push(client);
    }
    return scene;
  }

  get api(): AdminClient["api"] {
    return this.admin.api;
  }

  /** How streams have ended, or `open` for those that still echo. */
  async ends(...indexes: number[]): Promise<(StreamEnd | "open")[]> {
    return await Promise.all(indexes.map(async (index) => {
      const client = this.streams[index]!;
      await client.send(Uint8Array.of(index)).catch(() => {});
      const read = client.readBytes(1).then((): "open" => "open", async () => (await client.readToEnd()).end);
      return await read;
    }));
  }

  /** Reasons of the connections that have ended, as many as there are. */
  async reasons(count: number): Promise<unknown[]> {
    const told = () => this.proxy.program.events.filter(({ event }) => event === "connection");
    await eventually("events", () => told().length >= count);
    return told().map(({ reason }) => reason);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stream of this.streams) stream[Symbol.dispose]();
    await this.admin[Symbol.asyncDispose]();
    await this.proxy[Symbol.asyncDispose]();
    await this.backend[Symbol.asyncDispose]();
  }
}

Deno.test("ListConnections and CloseConnections take what every condition names", async () => {
  await using scene = await Scene.start();
  const { api, proxy } = scene;
  const total = async (filter: object) => (await api.listConnections({ filter })).total;
  const all = (await api.listConnections({})).connections;
  const [first, second] = proxy.addrs as [string, string];
  assert.equal(all.length, 4);
  for (const each of all) {
    assert.deepEqual([each.country, each.serverName, each.route], ["DE", each.serverName, each.serverName]);
    assert.equal(each.backend, `127.0.0.1:${scene.backend.port}`);
    const { length } = clientHello({ serverName: each.serverName });
    assert.deepEqual([each.bytesReceived, each.bytesSent], [BigInt(length), BigInt(length)]);
  }
  assert.equal((await api.listConnections({ limit: 3 })).connections.length, 3);
  const rows: readonly (readonly [object, number])[] = [
    [{ listener: first }, 2],
    [{ listener: second }, 2],
    [{ route: "a.test" }, 3],
    [{ route: "A.test.", listener: first }, 1],
    [{ route: "c.test" }, 0],
    [{ client: "127.0.0.1" }, 4],
    [{ client: "127.0.0.0/8" }, 4],
    [{ client: "10.0.0.0/8" }, 0],
    [{ country: "de" }, 4],
    [{ country: "FR" }, 0],
    [{ minAge: { seconds: 0n } }, 4],
    [{ minAge: { seconds: 3_600n } }, 0],
    [{ ids: [all[0]!.id, "none"] }, 1],
  ];
  for (const [filter, expected] of rows) assert.equal(await total(filter), expected, Deno.inspect(filter));
  assert.equal((await api.closeConnections({ filter: { country: "FR" } })).closed, 0);
  assert.equal((await api.closeConnections({ filter: { listener: second } })).closed, 2);
  assert.deepEqual(await scene.ends(0, 1, 2, 3), ["open", "open", "reset", "reset"]);
  assert.equal((await api.closeConnections({ all: true })).closed, 2);
  assert.deepEqual(await scene.ends(0, 1), ["reset", "reset"]);
  assert.deepEqual(await scene.reasons(4), Array(4).fill("killed"));
});

Deno.test("WatchConnections tells of the connections that its filter names, and of no other", async () => {
  await using scene = await Scene.start();
  const { api, proxy } = scene;
  const ids = (await api.listConnections({ filter: { route: "b.test" } })).connections.map(({ id }) => id);
  const filters = [
    { listener: proxy.addrs[1]! },
    { route: "b.test" },
    { client: "127.0.0.0/8", country: "DE" },
    { country: "FR" },
    { minAge: { seconds: 3_600n } },
    { ids },
  ];
  const stop = new AbortController();
  const told = filters.map((): string[] => []);
  const watches = filters.map(async (filter, index) => {
    try {
      for await (const { event } of api.watchConnections({ filter }, { signal: stop.signal })) {
        told[index]!.push(`${event!.listener === proxy.addrs[0] ? 1 : 2} ${event!.route} ${event!.reason}`);
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    }
  });
  // Nothing says that a watch has begun but its first event: so one connection is made and ended again and again.
  await eventually("every watch", async () => {
    using probe = await openClient(proxy.addr);
    await probe.send(clientHello({ serverName: "b.test" }));
    await probe.read();
    await api.closeConnections({ filter: { route: "b.test", listener: proxy.addrs[0]! } });
    return told[1]!.length > 0 && told[2]!.length > 0;
  });
  assert.equal((await api.closeConnections({ all: true })).closed, 3);
  await eventually("all events", () => told[0]!.length === 2 && told[2]!.length >= told[1]!.length + 3);
  stop.abort();
  await Promise.all(watches);
  assert.deepEqual(told[0], ["2 a.test killed", "2 a.test killed"]);
  assert.ok(told[1]!.every((line) => line === "1 b.test killed"), String(told[1]));
  assert.deepEqual([told[3], told[4]], [[], []]);
  assert.ok(told[5]!.length <= 1);
});

Deno.test("existing says what becomes of the connections of a removed route", async (t) => {
  const rows = [
    [Existing.KEEP, "open", "keep"],
    [Existing.CLOSE, "fin", "close"],
    [Existing.DRAIN, "reset", "drain"],
    [Existing.UNSPECIFIED, "reset", "the default, drain"],
  ] as const;
  for (const [existing, expected, name] of rows) {
    await t.step(name, async () => {
      await using scene = await Scene.start();
      const removed = await scene.api.removeRoute({
        listener: scene.proxy.addr,
        hostname: "a.test",
        existing,
      });
      assert.equal(removed.connectionsTouched, 1);
      if (expected === "open") assert.deepEqual(await scene.ends(0, 1, 2, 3), Array(4).fill("open"));
      else {
        const { end } = await scene.streams[0]!.readToEnd();
        assert.equal(end, expected);
        assert.deepEqual(await scene.ends(1, 2, 3), ["open", "open", "open"]);
        assert.deepEqual(await scene.reasons(1), [existing === Existing.CLOSE ? "route_removed" : "drained"]);
      }
    });
  }
});

Deno.test("existing says what becomes of the connections of a removed listener, in an Apply too", async () => {
  await using scene = await Scene.start();
  const { api, proxy } = scene;
  const [first, second] = proxy.addrs as [string, string];
  const operations = applied(
    { case: "removeListener", value: second },
    { case: "removeRoute", value: { ...(await api.listRoutes({ listener: first })).routes[0]! } },
  );
  const dry = await api.apply({ operations, dryRun: true, existing: Existing.CLOSE });
  assert.deepEqual([dry.revision, dry.changes.length, dry.connectionsTouched], [1, 3, 3]);
  assert.deepEqual(await scene.ends(0, 1, 2, 3), Array(4).fill("open"));
  const made = await api.apply({ operations, existing: Existing.CLOSE });
  assert.deepEqual([made.revision, made.connectionsTouched], [2, 3]);
  assert.deepEqual(await scene.ends(0, 1, 2, 3), ["fin", "open", "fin", "fin"]);
  assert.deepEqual((await scene.reasons(3)).sort(), [
    "listener_removed",
    "listener_removed",
    "route_removed",
  ]);
  const back = await api.rollback({ revision: 1 });
  assert.deepEqual([back.revision, back.connectionsTouched], [3, 0]);
  const { listeners } = await api.listListeners({});
  assert.deepEqual(listeners.map(({ id, routes }) => [id, routes.map((each) => each.id)]), [[1, [1, 2]], [2, [
    3,
  ]]]);
  const removed = await api.removeListener({ addr: first, existing: Existing.KEEP });
  assert.equal(removed.connectionsTouched, 1);
  assert.deepEqual(await scene.ends(1), ["open"]);
});

Deno.test("existing ends the connections that a rule blocks now, and no other", async () => {
  await using scene = await Scene.start();
  const { api } = scene;
  const rule = { type: FirewallRuleType.CIDR, value: "127.0.0.0/8" };
  const allow = { type: FirewallRuleType.IP, value: "127.0.0.1", action: FirewallAction.ALLOW };
  const close = { existing: Existing.CLOSE };
  const shadow = await api.addFirewallRule({ rule: { ...rule, mode: FirewallMode.SHADOW }, ...close });
  const allowed = await api.addFirewallRule({ rule: allow, ...close });
  const blocked = await api.addFirewallRule({ rule, ...close });
  assert.deepEqual([shadow, allowed, blocked].map((each) => each.connectionsTouched), [0, 0, 0]);
  assert.deepEqual(await scene.ends(0, 1, 2, 3), Array(4).fill("open"));
  const kept = await api.removeFirewallRule({ id: allowed.rule!.id });
  assert.equal(kept.connectionsTouched, 4, "they would be blocked now, and go on");
  assert.deepEqual(await scene.ends(0, 1, 2, 3), Array(4).fill("open"));
  assert.equal((await api.removeFirewallRule({ id: blocked.rule!.id, ...close })).connectionsTouched, 0);
  const country = { type: FirewallRuleType.COUNTRY, value: "DE" };
  assert.equal((await api.addFirewallRule({ rule: country, ...close })).connectionsTouched, 4);
  assert.deepEqual(await scene.ends(0, 1, 2, 3), Array(4).fill("reset"));
  assert.deepEqual(await scene.reasons(4), Array(4).fill("blocked_country"));
});
