/**
 * Goal: whoever changes the configuration all day neither disturbs open streams nor runs out of room.
 * Method: the real program; streams that never rest beside a loop of calls; more listeners than there is room for, one
 * after the other at one address.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Existing } from "../../src/admin/gen/mc_proxy/v1/admin_pb.ts";
import { echoBackend } from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { freePort } from "../support/ports.ts";
import { startProxy } from "../support/proxy.ts";
import { openClient } from "../support/raw_client.ts";
import { ADMIN_SOCKET, adminOf } from "./admin_api.ts";
import { EchoStream, SERVER_NAME } from "./echo_stream.ts";
import { eventually } from "./eventually.ts";

const STREAMS = 200;
const ROUTES = Deno.env.has("MC_PROXY_TEST_FULL") ? 1_000 : 200;
/** More than the 256 slots that there are. */
const LISTENERS = 300;

Deno.test("routes are added in a loop, and 200 streams beside it lose no byte", async () => {
  await using backend = echoBackend();
  const target = `127.0.0.1:${backend.port}`;
  await using proxy = await startProxy({
    listeners: [{ routes: [{ hostname: SERVER_NAME, backend: target }] }],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 2 },
  });
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  const opened = await Promise.all(Array.from({ length: STREAMS }, () => EchoStream.open(proxy)));
  const streams = opened.filter((stream) => stream !== undefined);
  assert.equal(streams.length, STREAMS);
  for (let number = 1; number <= ROUTES; number++) {
    const { route, revision } = await api.addRoute({
      route: { hostname: `${number}.test`, backend: target },
    });
    assert.deepEqual([route?.id, revision], [number + 1, number + 1]);
  }
  await Promise.all(streams.map((stream) => stream.turns()));
  await Promise.all(streams.map((stream) => stream.stop()));
  assert.equal((await api.listRoutes({})).routes.length, ROUTES + 1);
  using last = await openClient(proxy.addr);
  const hello = clientHello({ serverName: `${ROUTES}.test` });
  await last.send(hello);
  assert.deepEqual(await last.readBytes(hello.length), hello);
});

Deno.test("a listener comes and goes more often than there are slots, and each counts for itself alone", async () => {
  await using backend = echoBackend();
  await using proxy = await startProxy({
    listeners: [{}],
    grpc: ADMIN_SOCKET,
    proxy: { workers: 2 },
  });
  await using admin = await adminOf(proxy.config.folder);
  const { api } = admin;
  const addr = `127.0.0.1:${freePort()}`;
  const routes = [{ hostname: SERVER_NAME, backend: `127.0.0.1:${backend.port}` }];
  const open = async () => {
    const stream = await EchoStream.open(proxy, addr);
    assert.ok(stream !== undefined);
    return stream;
  };
  const statusOf = async () =>
    (await api.getStatus({})).status!.listeners.find((each) => each.addr === addr)!;
  await api.addListener({ listener: { addr, routes } });
  const kept = await open();
  assert.equal((await api.removeListener({ addr, existing: Existing.KEEP })).connectionsTouched, 1);
  for (let number = 0; number < LISTENERS; number++) {
    await api.addListener({ listener: { addr, routes } });
    await api.removeListener({ addr, existing: Existing.CLOSE });
  }
  const { listener } = await api.addListener({ listener: { addr, routes } });
  assert.equal(listener?.id, LISTENERS + 3);
  assert.deepEqual([(await statusOf()).openConnections, (await statusOf()).endedConnections], [0, 0n]);
  const own = await open();
  assert.equal((await statusOf()).openConnections, 1);
  await own.stop();
  await eventually("the end of its connection", async () => (await statusOf()).endedConnections === 1n);
  await kept.turns();
  await kept.stop();
  await eventually(
    "the end of the kept one",
    async () => (await api.getStatus({})).status!.openConnections === 0,
  );
  assert.equal((await statusOf()).endedConnections, 1n, "the kept one was another listener's");
});
