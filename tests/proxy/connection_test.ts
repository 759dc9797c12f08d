import assert from "node:assert/strict";
import {
  bytesCounter,
  PHASE_BOUNDS_MS,
  phaseBucket,
  reasonCounter,
  verdictCounter,
} from "../../src/observe/counters.ts";
import type { ConnectionEvent } from "../../src/observe/events.ts";
import { GAUGE_ALL, listenerGauge, routeGauge } from "../../src/observe/memory_layout.ts";
import type { Reason } from "../../src/reasons.ts";
import { blockRule, l4Route } from "../state/configurations.ts";
import {
  answerBackend,
  type Backend,
  echoBackend,
  resettingBackend,
  silentBackend,
  unreachableBackend,
} from "../support/backends.ts";
import { clientHello } from "../support/client_hello.ts";
import { exchange, openClient, type WholeAnswer } from "../support/raw_client.ts";
import { readToFin, scriptedBackend } from "../support/scripted_backend.ts";
import { DEFECT_ROUTE, LISTENER_SLOT, LivePlane, type PlaneOptions, ROUTE_SLOTS } from "./live_plane.ts";

const NAME = "a.test";
const HELLO = clientHello({ serverName: NAME, alpn: ["h2"] });
const NOTHING: Uint8Array = new Uint8Array();
const GAUGES = [GAUGE_ALL, listenerGauge(LISTENER_SLOT), routeGauge(1 + ROUTE_SLOTS)];

function routeTo(backend: { readonly port: number }, id = 1): PlaneOptions {
  return { routes: [l4Route(id, NAME, { backend: { host: "127.0.0.1", port: backend.port } })] };
}

function alert(description: number): Uint8Array {
  return Uint8Array.of(21, 3, 3, 0, 2, 2, description);
}

/** The whole answer; a RST may come while the client is still connecting. */
async function answerOf({ addr }: LivePlane, request: Uint8Array, finishes = false): Promise<WholeAnswer> {
  try {
    return await exchange(addr, request, finishes);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "ECONNRESET");
    return { bytes: NOTHING, end: "reset" };
  }
}

/** Every connection is over: nothing is counted as open, and each was told and counted exactly once. */
function assertOver(plane: LivePlane, reasons: readonly Reason[]): void {
  assert.equal(plane.connections.size, 0);
  assert.deepEqual(GAUGES.map((gauge) => plane.memory.total(gauge)), [0, 0, 0]);
  assert.deepEqual(plane.told.map(({ reason }) => reason), reasons);
  for (const reason of new Set(reasons)) {
    const count = reasons.filter((each) => each === reason).length;
    assert.equal(plane.column.counted(reasonCounter(LISTENER_SLOT, reason)), count, reason);
  }
  const sums = { received: 0, sent: 0 };
  for (const { bytes_received, bytes_sent } of plane.told) {
    sums.received += bytes_received;
    sums.sent += bytes_sent;
  }
  assert.equal(plane.column.counted(bytesCounter(LISTENER_SLOT, "received")), sums.received);
  assert.equal(plane.column.counted(bytesCounter(LISTENER_SLOT, "sent")), sums.sent);
  const totals = [...PHASE_BOUNDS_MS, Infinity].map((ms) => plane.column.counted(phaseBucket("total", ms)));
  assert.equal(totals.reduce((sum, count) => sum + count), reasons.length);
}

interface Refusal {
  readonly name: string;
  readonly options: PlaneOptions;
  readonly request: Uint8Array;
  /** Sends its FIN after the request. */
  readonly finishes?: boolean;
  readonly answer: WholeAnswer;
  readonly event: Partial<ConnectionEvent> & { readonly reason: Reason };
}

function refusals(full: Backend): Refusal[] {
  const silent: PlaneOptions = { limits: { clientHelloTimeoutMs: 120 } };
  const fin = (bytes = NOTHING): WholeAnswer => ({ bytes, end: "fin" });
  const rst: WholeAnswer = { bytes: NOTHING, end: "reset" };
  const text = new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n");
  const nobody = { port: 1 };
  return [
    {
      name: "a name without route",
      options: {},
      request: HELLO,
      answer: fin(alert(112)),
      event: { reason: "unknown_name", sni: NAME, alpn: ["h2"], bytes_sent: 7, bytes_received: HELLO.length },
    },
    {
      name: "a hello without a name",
      options: routeTo(nobody),
      request: clientHello(),
      answer: fin(alert(112)),
      event: { reason: "no_name" },
    },
    {
      name: "a disabled route",
      options: { routes: [l4Route(1, NAME, { enabled: false })] },
      request: HELLO,
      answer: fin(alert(112)),
      event: { reason: "unknown_name" },
    },
    { name: "what isn't TLS", options: {}, request: text, answer: fin(), event: { reason: "not_tls" } },
    {
      name: "half a hello and FIN",
      options: {},
      request: HELLO.subarray(0, 90),
      finishes: true,
      answer: fin(),
      event: { reason: "hello_eof", bytes_received: 90, bytes_sent: 0 },
    },
    {
      name: "half a hello and silence",
      options: silent,
      request: HELLO.subarray(0, 90),
      answer: fin(),
      event: { reason: "hello_timeout", bytes_received: 90 },
    },
    { name: "silence", options: silent, request: NOTHING, answer: fin(), event: { reason: "hello_timeout" } },
    {
      name: "a blocked address",
      options: { ...routeTo(nobody), rules: [blockRule(1, "cidr", "127.0.0.0/8")] },
      request: HELLO,
      answer: rst,
      event: { reason: "blocked_cidr", rule: "cidr:127.0.0.0/8" },
    },
    {
      name: "no descriptor left",
      options: { connectionsMax: 0 },
      request: HELLO,
      answer: rst,
      event: { reason: "over_limit" },
    },
    {
      name: "a backend that refuses",
      options: routeTo(nobody),
      request: HELLO,
      answer: fin(alert(80)),
      event: { reason: "dial_failed", backend: "127.0.0.1:1", route: NAME },
    },
    {
      name: "a backend that doesn't answer",
      options: { ...routeTo(full), limits: { connectTimeoutMs: 100 } },
      request: HELLO,
      answer: fin(alert(80)),
      event: { reason: "dial_timeout", backend: full.addr },
    },
    {
      name: "a defect",
      options: routeTo(nobody, DEFECT_ROUTE),
      request: HELLO,
      answer: rst,
      event: { reason: "internal" },
    },
  ];
}

Deno.test("handleConnection() refuses in the way of its reason and tells it once", async (t) => {
  await using full = await unreachableBackend();
  for (const { name, options, request, finishes, answer, event } of refusals(full)) {
    await t.step(name, async () => {
      await using plane = new LivePlane(options);
      const seen = await answerOf(plane, request, finishes);
      // A close with unread bytes makes the kernel send RST: only the bytes count then.
      if (event.reason !== "not_tls" && event.reason !== "internal") assert.deepEqual(seen, answer);
      assert.deepEqual(seen.bytes, answer.bytes);
      const told = await plane.event(0);
      for (const [field, value] of Object.entries(event)) {
        assert.deepEqual(told[field as keyof ConnectionEvent], value, field);
      }
      assertOver(plane, [event.reason]);
      const faults = event.reason === "internal" ? ["a defect"] : [];
      assert.deepEqual(plane.faults.map((fault) => fault instanceof Error ? fault.message : fault), faults);
    });
  }
});

Deno.test("handleConnection() ends an alert with FIN and then lingers for what the client still sends", async () => {
  await using plane = new LivePlane();
  using client = await openClient(plane.addr);
  await client.send(HELLO);
  assert.deepEqual(await client.readToEnd(), { bytes: alert(112), end: "fin" });
  assert.equal(plane.connections.size, 1, "the FIN didn't wait for the lingering to end");
  await client.send(HELLO);
  await client.finish();
  await plane.event(0);
  assertOver(plane, ["unknown_name"]);
});

Deno.test("handleConnection() carries bytes both ways and tells the whole story", async () => {
  await using backend = echoBackend();
  await using plane = new LivePlane(routeTo(backend));
  const rest = new Uint8Array(300_000).map((_, index) => index * 7);
  const request = new Uint8Array([...HELLO, ...rest]);
  using client = await openClient(plane.addr);
  const { localAddr } = client;
  const [answer] = await Promise.all([client.readToEnd(), client.send(request).then(() => client.finish())]);
  assert.deepEqual(answer, { bytes: request, end: "fin" });
  const { id, time, hello_ms, dial_ms, total_ms, ...event } = await plane.event(0);
  assert.deepEqual(event, {
    listener: "127.0.0.1:0",
    client: localAddr,
    reason: "client_eof",
    sni: NAME,
    alpn: ["h2"],
    ech_offered: false,
    route: NAME,
    backend: backend.addr,
    bytes_received: request.length,
    bytes_sent: request.length,
  });
  assert.equal(id, "t-0");
  assert.ok(Math.abs(Date.now() - time) < 5_000);
  assert.ok(hello_ms! >= 0 && dial_ms! >= 0 && total_ms >= hello_ms! + dial_ms!);
  assertOver(plane, ["client_eof"]);
});

Deno.test("handleConnection() passes the first end on and says whose it was", async (t) => {
  await t.step("the backend's FIN", async () => {
    await using backend = answerBackend("bye");
    await using plane = new LivePlane(routeTo(backend));
    using client = await openClient(plane.addr);
    await client.send(HELLO);
    assert.deepEqual((await client.readToEnd()).bytes, new TextEncoder().encode("bye"));
    await client.finish();
    await plane.event(0);
    assertOver(plane, ["backend_eof"]);
  });
  await t.step("the backend's RST", async () => {
    await using backend = await resettingBackend();
    await using plane = new LivePlane(routeTo(backend));
    assert.equal((await answerOf(plane, HELLO)).end, "reset");
    await plane.event(0);
    assertOver(plane, ["backend_reset"]);
    assert.deepEqual(plane.faults, []);
  });
  await t.step("the client's RST", async () => {
    await using backend = silentBackend();
    await using plane = new LivePlane(routeTo(backend));
    using client = await openClient(plane.addr);
    await client.send(HELLO);
    const { ended } = await backend.connection(0);
    client.reset();
    assert.equal(await ended, "reset");
    await plane.event(0);
    assertOver(plane, ["client_reset"]);
  });
  await t.step("a backend that is silent after the client's FIN", async () => {
    const { promise: over, resolve: end } = Promise.withResolvers<void>();
    await using backend = scriptedBackend(async (connection) => {
      await readToFin(connection);
      await over;
    });
    const route = l4Route(1, NAME, {
      backend: { host: "127.0.0.1", port: Number(backend.addr.split(":")[1]) },
    });
    await using plane = new LivePlane({ routes: [route], limits: { halfClosedTimeoutMs: 100 } });
    assert.deepEqual(await answerOf(plane, HELLO, true), { bytes: NOTHING, end: "fin" });
    await plane.event(0);
    assertOver(plane, ["half_closed_idle"]);
    end();
  });
  await t.step("silence on both sides", async () => {
    await using backend = silentBackend();
    await using plane = new LivePlane({ ...routeTo(backend), limits: { idleTimeoutMs: 100 } });
    assert.deepEqual(await answerOf(plane, HELLO), { bytes: NOTHING, end: "fin" });
    await plane.event(0);
    assertOver(plane, ["idle"]);
  });
});

Deno.test("handleConnection() counts what is open, up to each limit, and gives every slot back", async () => {
  await using backend = echoBackend();
  const rows: [PlaneOptions, open: number, counter?: number][] = [
    [{ listener: { maxConnections: 2 } }, 2],
    [{ limits: { maxConnections: 3 } }, 3],
    [{ connectionsMax: 1 }, 1],
    [{ limits: { maxConnectionsPerIp: 2 } }, 2, verdictCounter("connections", "enforce")],
    [{ limits: { rateLimit: 1, rateBurst: 2 } }, 2, verdictCounter("rate_limit", "enforce")],
  ];
  for (const [options, open, counter] of rows) {
    await using plane = new LivePlane({ ...routeTo(backend), ...options });
    const clients = [];
    for (let count = 0; count < open; count++) {
      const client = await openClient(plane.addr);
      clients.push(client);
      await client.send(HELLO);
      await client.readBytes(HELLO.length);
    }
    assert.deepEqual(GAUGES.map((gauge) => plane.memory.total(gauge)), [open, open, open]);
    assert.deepEqual(await answerOf(plane, HELLO), { bytes: NOTHING, end: "reset" });
    if (counter !== undefined) assert.equal(plane.column.counted(counter), 1);
    for (const client of clients) {
      await client.finish();
      assert.equal((await client.readToEnd()).end, "fin");
    }
    await plane.event(open);
    const refusal = options.limits?.rateLimit === undefined ? "over_limit" : "rate_limited";
    assertOver(plane, [refusal, ...clients.map((): Reason => "client_eof")]);
  }
});

Deno.test("handleConnection() refuses a full route with RST and a backend that is its own listener", async () => {
  await using backend = echoBackend();
  const [route] = routeTo(backend).routes!;
  await using plane = new LivePlane({ routes: [{ ...route!, maxConnections: 1 }] });
  using first = await openClient(plane.addr);
  await first.send(HELLO);
  await first.readBytes(HELLO.length);
  assert.deepEqual(await answerOf(plane, HELLO), { bytes: NOTHING, end: "reset" });
  assert.equal((await plane.event(0)).reason, "over_limit");
  await using looping = new LivePlane({ ...routeTo(backend), ownPorts: [backend.port] });
  assert.deepEqual(await answerOf(looping, HELLO), { bytes: NOTHING, end: "reset" });
  await looping.event(0);
  assertOver(looping, ["loop"]);
});

Deno.test("ClientConnection.end() cuts both sides wherever the connection is, and the first reason stands", async () => {
  await using backend = silentBackend();
  await using full = await unreachableBackend();
  const stages: [PlaneOptions, request: Uint8Array, isDialled: boolean][] = [
    [routeTo(backend), NOTHING, false],
    [routeTo(backend), HELLO.subarray(0, 50), false],
    [{ ...routeTo(full), limits: { connectTimeoutMs: 300 } }, HELLO, false],
    [routeTo(backend), HELLO, true],
  ];
  for (const [options, request, isDialled] of stages) {
    await using plane = new LivePlane(options);
    using client = await openClient(plane.addr);
    if (request.length > 0) await client.send(request);
    await plane.open(1);
    const [connection] = plane.connections;
    const peer = isDialled ? await backend.connection(0) : undefined;
    while (connection!.bytesReceived < request.length) await new Promise((resolve) => setTimeout(resolve, 1));
    connection!.end("killed");
    connection!.end("idle");
    assert.deepEqual(await client.readToEnd(), { bytes: NOTHING, end: "reset" });
    if (peer !== undefined) assert.equal(await peer.ended, "reset");
    await plane.event(0);
    assertOver(plane, ["killed"]);
    assert.deepEqual(plane.faults, []);
  }
});

Deno.test("a stage of a connection that its listener stopped for goes on", async () => {
  await using backend = echoBackend();
  await using plane = new LivePlane(routeTo(backend));
  using client = await openClient(plane.addr);
  await client.send(HELLO);
  await client.readBytes(HELLO.length);
  plane.listener.close();
  plane.listener.close();
  await assert.rejects(openClient(plane.addr));
  await client.send(Uint8Array.of(1, 2));
  assert.deepEqual(await client.readBytes(2), Uint8Array.of(1, 2));
});
