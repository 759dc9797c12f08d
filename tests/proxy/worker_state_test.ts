import assert from "node:assert/strict";
import { ProxyError } from "../../src/errors.ts";
import { GEOIP_SLOT_BYTES } from "../../src/net/geoip.ts";
import { parseIpAddress } from "../../src/policy/ip_address.ts";
import type { StateOptions } from "../../src/proxy/messages.ts";
import { type Preparation, prepareMessages } from "../../src/proxy/preparation.ts";
import { WorkerState } from "../../src/proxy/worker_state.ts";
import type { Change } from "../../src/state/change.ts";
import { diffConfiguration, EMPTY_CONFIGURATION } from "../../src/state/diff.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import type { Configuration, Listener } from "../../src/state/model.ts";
import { blockRule, l4Route } from "../state/configurations.ts";
import { countryDatabase } from "../net/country_database_builder.ts";
import { freePorts } from "../support/ports.ts";

const OPTIONS: StateOptions = {
  limits: DEFAULT_LIMITS,
  blockUnknownCountry: false,
  limitMode: "enforce",
  tellsRequests: false,
};

function listenerAt(id: number, port: number, more: Partial<Listener> = {}): Listener {
  return {
    id,
    address: { host: "127.0.0.1", port },
    maxConnections: 0,
    proxyProtocol: false,
    trustedProxies: [],
    routes: [l4Route(id * 10, "a.test")],
    ...more,
  };
}

function configurationOf(listeners: readonly Listener[], rules = 0): Configuration {
  const firewallRules = Array.from({ length: rules }, (_, index) => blockRule(index + 1, "ip", ipOf(index)));
  return { listeners, firewallRules };
}

function ipOf(index: number): string {
  return `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
}

/** A worker's state, told of configurations as main tells it. Disposal stops listening. */
class Told implements Disposable {
  readonly memory = new ArrayBuffer(GEOIP_SLOT_BYTES);
  lookupErrors = 0;
  readonly state = new WorkerState(this.memory, () => this.lookupErrors++);
  #configuration = EMPTY_CONFIGURATION;
  #revision = 0;

  /** Prepares, part for part. */
  async prepare(next: Configuration, options: Partial<StateOptions> = {}): Promise<void> {
    await this.send(diffConfiguration(this.#configuration, next), options);
  }

  async send(changes: readonly Change[], options: Partial<StateOptions> = {}): Promise<void> {
    const preparation: Preparation = {
      revision: this.#revision + 1,
      generation: 0,
      changes,
      listenerSlots: changes.flatMap((change) =>
        change.kind === "listener_put" && change.listener.id !== WITHOUT_SLOT
          ? [[change.listener.id, change.listener.id + 100] as const]
          : []
      ),
      routeSlots: [[10, 7]],
      pems: new Map(),
      routePems: [],
      options: { ...OPTIONS, ...options },
    };
    const parts = [...prepareMessages(preparation)];
    for (const [index, part] of parts.entries()) {
      assert.equal(await this.state.prepare(part), index === parts.length - 1);
    }
  }

  async serve(next: Configuration, options: Partial<StateOptions> = {}): Promise<readonly number[]> {
    await this.prepare(next, options);
    return this.activate(next);
  }

  activate(next: Configuration): readonly number[] {
    const added = this.state.activate(this.#revision + 1, 0);
    this.#revision++;
    this.#configuration = next;
    return added.map(({ id }) => id);
  }

  get ports(): number[] {
    return [...this.state.listeners].map(({ port }) => port).toSorted();
  }

  [Symbol.dispose](): void {
    this.state.closeListeners();
  }
}

const WITHOUT_SLOT = 77;

async function isBound(port: number): Promise<boolean> {
  try {
    (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
}

function addressOf(text: string): NonNullable<ReturnType<typeof parseIpAddress>> {
  return parseIpAddress(text)!;
}

Deno.test("WorkerState serves what it has prepared from its activation on, not before", async () => {
  using told = new Told();
  const [first, second] = freePorts(2) as [number, number];
  const one = configurationOf([listenerAt(1, first)], 3);
  await told.prepare(one);
  assert.deepEqual([told.ports, told.state.current.revision, await isBound(first)], [[], 0, true]);
  assert.deepEqual(told.activate(one), [1]);
  assert.deepEqual([told.ports, told.state.current.revision, told.state.routeSlot(10)], [[first], 1, 7]);
  const [bound] = told.state.listeners;
  assert.deepEqual([bound!.slot, bound!.maxConnections], [101, 0]);

  const two = configurationOf([listenerAt(1, first, { maxConnections: 5 }), listenerAt(2, second)]);
  await told.prepare(two, { limitMode: "shadow", tellsRequests: true });
  assert.deepEqual([bound!.maxConnections, told.state.limitMode, told.state.tellsRequests], [
    0,
    "enforce",
    false,
  ]);
  assert.deepEqual(told.activate(two), [2], "only the new one has to start accepting");
  assert.equal([...told.state.listeners][0], bound, "the socket stays");
  assert.deepEqual([bound!.maxConnections, told.state.limitMode, told.state.tellsRequests], [
    5,
    "shadow",
    true,
  ]);

  assert.deepEqual(await told.serve(configurationOf([listenerAt(2, second)])), []);
  assert.deepEqual([told.ports, await isBound(first), await isBound(second)], [[second], false, true]);
});

Deno.test("WorkerState.activate() moves a listener whose address is another one", async () => {
  using told = new Told();
  const [first, second] = freePorts(2) as [number, number];
  await told.serve(configurationOf([listenerAt(1, first)]));
  assert.deepEqual(await told.serve(configurationOf([listenerAt(1, second)])), [1]);
  assert.deepEqual([told.ports, await isBound(first), await isBound(second)], [[second], false, true]);
});

Deno.test("WorkerState.forget() lets go of the slots that are of no use, and of no other", async () => {
  using told = new Told();
  const [first, second] = freePorts(2) as [number, number];
  await told.serve(configurationOf([listenerAt(1, first), listenerAt(2, second)]));
  const asked = { listenerIds: [1, 2], routeIds: [10] };
  assert.deepEqual(told.state.forget(asked, []), { listenerIds: [], routeIds: [] });
  await told.serve(configurationOf([listenerAt(2, second)]));
  const [listener] = told.state.listeners;
  assert.deepEqual(told.state.forget(asked, []), { listenerIds: [1], routeIds: [10] });
  assert.throws(() => told.state.routeSlot(10), { name: "ProxyError", code: "internal" });
  assert.equal(listener?.slot, 102);
});

Deno.test("WorkerState.prepare() takes 20,000 rules in parts", async () => {
  using told = new Told();
  await told.serve(configurationOf([], 20_000));
  const { addresses } = told.state.current.firewall;
  for (let index = 0; index < 20_000; index++) {
    assert.deepEqual(addresses.lookup(addressOf(ipOf(index))).map(({ id }) => id), [index + 1]);
  }
  assert.deepEqual(addresses.lookup(addressOf(ipOf(20_000))), []);
  assert.equal(told.state.current.revision, 1);
});

Deno.test("WorkerState.abort() stops listening where only the prepared state does", async () => {
  using told = new Told();
  const [first, second] = freePorts(2) as [number, number];
  const one = configurationOf([listenerAt(1, first)]);
  await told.serve(one);
  await told.prepare(configurationOf([listenerAt(1, first), listenerAt(2, second)]));
  assert.ok(await isBound(second));
  told.state.abort();
  assert.deepEqual([await isBound(first), await isBound(second), told.ports], [true, false, [first]]);
  assert.throws(() => told.state.activate(2, 0), { name: "ProxyError", code: "internal" });
  await told.serve(configurationOf([listenerAt(2, second)]));
  assert.deepEqual([await isBound(first), await isBound(second)], [false, true]);
});

Deno.test("WorkerState.prepare() that fails has changed nothing, and what it was told is forgotten", async (t) => {
  const [first, free, missing] = freePorts(3) as [number, number, number];
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using told = new Told();
  const one = configurationOf([listenerAt(1, first)], 2);
  await told.serve(one);
  const served = told.state.current;
  const stranger: Change = { kind: "route_removed", listenerId: 1, route: l4Route(99, "never.test") };
  const rows: [name: string, attempt: () => Promise<void>, error: (error: Error) => boolean][] = [
    [
      "an address in use",
      () => told.prepare(configurationOf([listenerAt(2, free), listenerAt(3, taken.addr.port)])),
      (error) => error instanceof Deno.errors.AddrInUse,
    ],
    [
      "a change that doesn't fit",
      () => told.send([{ kind: "listener_put", listener: listenerAt(2, free) }, stranger]),
      (error) => error instanceof ProxyError && error.code === "conflict",
    ],
    [
      "a listener without a slot",
      () => told.prepare(configurationOf([listenerAt(1, first), listenerAt(WITHOUT_SLOT, missing)])),
      (error) => error instanceof ProxyError && error.code === "internal",
    ],
    [
      "a memory without country database",
      () => told.prepare(configurationOf([listenerAt(2, free)]), { geoip: { offset: 0, sizeBytes: 100 } }),
      (error) => error instanceof ProxyError && error.code === "unavailable",
    ],
  ];
  for (const [name, attempt, isExpected] of rows) {
    await t.step(name, async () => {
      await assert.rejects(attempt, isExpected);
      assert.equal(told.state.current, served);
      assert.deepEqual([told.ports, await isBound(first), await isBound(free)], [[first], true, false]);
      assert.throws(() => told.state.activate(2, 0), { code: "internal" });
    });
  }
  await t.step("and the next one works", async () => {
    await told.serve(configurationOf([listenerAt(1, first), listenerAt(2, free)], 2));
    assert.deepEqual(told.ports, [first, free].toSorted());
    assert.equal(told.state.current.routesById.size, 2);
  });
});

Deno.test("WorkerState.activate() refuses another state than the one that stands prepared", async () => {
  using told = new Told();
  const [port] = freePorts(1) as [number];
  const one = configurationOf([listenerAt(1, port)]);
  await told.prepare(one);
  for (const [revision, generation] of [[0, 0], [1, 1], [2, 0]] as const) {
    assert.throws(() => told.state.activate(revision, generation), { code: "internal" });
  }
  assert.deepEqual(told.activate(one), [1], "it still stands");
});

Deno.test("WorkerState.country() looks up in the database of the state that is served", async () => {
  using told = new Told();
  const put = (offset: number, code: string) => {
    const bytes = countryDatabase({ "192.0.2.0/24": code });
    new Uint8Array(told.memory, offset).set(bytes);
    return { offset, sizeBytes: bytes.length };
  };
  const address = addressOf("192.0.2.7");
  assert.equal(told.state.country(address), undefined);
  await told.serve(EMPTY_CONFIGURATION, { geoip: put(0, "DE") });
  assert.equal(told.state.country(address), "DE");
  assert.equal(told.state.country(addressOf("198.51.100.1")), undefined);
  await told.prepare(EMPTY_CONFIGURATION, { geoip: put(1_048_576, "FR") });
  assert.equal(told.state.country(address), "DE");
  told.activate(EMPTY_CONFIGURATION);
  assert.equal(told.state.country(address), "FR");
  await told.serve(EMPTY_CONFIGURATION);
  assert.equal(told.state.country(address), undefined);
  assert.equal(told.lookupErrors, 0);
});

Deno.test("WorkerState.closeListeners() stops listening where it serves and where it would have", async () => {
  const told = new Told();
  const [first, second] = freePorts(2) as [number, number];
  await told.serve(configurationOf([listenerAt(1, first)]));
  await told.prepare(configurationOf([listenerAt(1, first), listenerAt(2, second)]));
  told.state.closeListeners();
  assert.deepEqual([await isBound(first), await isBound(second)], [false, false]);
});
