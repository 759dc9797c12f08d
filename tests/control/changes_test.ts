import assert from "node:assert/strict";

import { Changes } from "../../src/control/changes.ts";
import { takeBackOverdue } from "../../src/control/overdue.ts";
import { NO_CERTIFICATES } from "../../src/control/certificate_set.ts";
import type { ServedState } from "../../src/control/served_state.ts";
import { Turns } from "../../src/control/turns.ts";
import { ProxyError } from "../../src/errors.ts";
import { withoutExpired } from "../../src/state/expiry.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import type { FirewallRule, Seed } from "../../src/state/model.ts";
import { Store } from "../../src/store/store.ts";
import { Folder, TIME_MS } from "../store/fixtures.ts";

const RULE: Seed<FirewallRule> = {
  type: "ip",
  value: "192.0.2.7",
  action: "block",
  mode: "enforce",
  comment: "",
};

/** A control plane without workers: what is served is what was changed to last. */
class Plane implements Disposable {
  readonly folder = new Folder();
  readonly store: Store;
  readonly changes: Changes;
  nowMs = TIME_MS;
  refusal: ProxyError | undefined;
  told: string[] = [];
  served: ServedState;

  constructor() {
    this.folder.seed();
    this.store = Store.open(this.folder.database);
    this.served = this.#restored();
    this.changes = new Changes({
      store: this.store,
      turns: new Turns(),
      served: () => this.served,
      change: (next, commit) => {
        if (this.refusal !== undefined) return Promise.reject(this.refusal);
        commit();
        this.served = next;
        return Promise.resolve();
      },
      readFiles: (next) => Promise.resolve(next),
      now: () => this.nowMs,
      onChanged: (kind, revision, author) => this.told.push(`${kind} ${revision} ${author}`),
    });
  }

  #restored(): ServedState {
    return {
      configuration: this.store.readConfiguration(),
      revision: this.store.revision,
      generation: 0,
      certificates: NO_CERTIFICATES,
      options: {
        limits: DEFAULT_LIMITS,
        blockUnknownCountry: false,
        limitMode: "enforce",
        tellsRequests: false,
      },
    };
  }

  addRule(more: Partial<Parameters<Changes["make"]>[0]> = {}, rule = RULE): Promise<unknown> {
    return this.changes.make({ author: "me", kind: "rpc", edit: (draft) => draft.addRule(rule), ...more });
  }

  has(value: string): boolean {
    const stored = this.store.readConfiguration().firewallRules;
    assert.deepEqual(stored, this.served.configuration.firewallRules);
    assert.equal(this.store.revision, this.served.revision);
    return stored.some((rule) => rule.value === value);
  }

  [Symbol.dispose](): void {
    this.store[Symbol.dispose]();
    this.folder[Symbol.dispose]();
  }
}

/** Asserts that a change is refused with a code and that nothing has changed. */
async function refuses(plane: Plane, code: string, act: () => Promise<unknown>): Promise<void> {
  const before = [plane.store.revision, plane.served, plane.told.length, plane.changes.pending];
  await assert.rejects(act, (error: unknown) => error instanceof ProxyError && error.code === code);
  assert.deepEqual([plane.store.revision, plane.served, plane.told.length, plane.changes.pending], before);
}

Deno.test("Changes.make() writes a revision with its author when the workers have prepared", async () => {
  using plane = new Plane();
  const outcome = await plane.changes.make({
    author: "me",
    kind: "rpc",
    expectedRevision: 1,
    edit: (draft) => draft.addRule(RULE).id,
  });
  assert.equal(outcome.revision, 2);
  assert.deepEqual(outcome.changes, [{ kind: "rule_put", rule: { ...RULE, id: outcome.value } }]);
  assert.ok(plane.has(RULE.value));
  assert.deepEqual(plane.told, ["rpc 2 me"]);
  assert.equal(plane.store.readRevision(2)?.author, "me");
});

Deno.test("Changes.make() changes nothing when it is refused", async () => {
  using plane = new Plane();
  await refuses(plane, "conflict", () => plane.addRule({ expectedRevision: 7 }));
  await refuses(plane, "invalid", () => plane.addRule({}, { ...RULE, value: "x" }));
  await refuses(plane, "not_found", () => plane.addRule({ edit: (draft) => draft.removeRule(99) }));
  plane.refusal = new ProxyError("unavailable", "worker 0: no");
  await refuses(plane, "unavailable", () => plane.addRule());
});

Deno.test("Changes.make() makes no revision when nothing changes or nothing is to change", async () => {
  using plane = new Plane();
  const dry = await plane.changes.make({
    author: "me",
    kind: "rpc",
    isDryRun: true,
    edit: (draft) => draft.addRule(RULE),
  });
  assert.equal(dry.changes.length, 1);
  assert.equal(dry.revision, 1);
  const none = await plane.changes.make({ author: "me", kind: "rpc", edit: () => {} });
  assert.equal(none.revision, 1);
  assert.ok(!plane.has(RULE.value));
});

Deno.test("Changes.revertOverdue() takes a change back when nobody has confirmed it in time", async () => {
  using plane = new Plane();
  await plane.addRule({ confirmWithinMs: 5_000 });
  await refuses(plane, "precondition", () => plane.addRule({}, { ...RULE, value: "192.0.2.8" }));
  await plane.changes.revertOverdue();
  assert.ok(plane.has(RULE.value));
  plane.nowMs += 5_000;
  await refuses(plane, "precondition", () => plane.changes.confirm(0));
  await plane.changes.revertOverdue();
  assert.ok(!plane.has(RULE.value));
  assert.equal(plane.changes.pending, undefined);
  assert.deepEqual(plane.told, ["rpc 2 me", "revert 3 system"]);
});

Deno.test("Changes.confirm() keeps a change when its time isn't over", async () => {
  using plane = new Plane();
  await refuses(plane, "precondition", () => plane.changes.confirm(0));
  await plane.addRule({ confirmWithinMs: 5_000 });
  await refuses(plane, "precondition", () => plane.changes.confirm(1));
  assert.equal(await plane.changes.confirm(2), 2);
  plane.nowMs += 60_000;
  await plane.changes.revertOverdue();
  assert.ok(plane.has(RULE.value));
});

Deno.test("Changes.removeExpired() removes the rules whose time is over, and waits for a confirmation", async () => {
  using plane = new Plane();
  await plane.addRule({}, { ...RULE, expiresAtMs: TIME_MS + 1_000 });
  await plane.changes.removeExpired();
  assert.ok(plane.has(RULE.value));
  await plane.addRule({ confirmWithinMs: 5_000 }, { ...RULE, value: "192.0.2.8" });
  plane.nowMs += 1_000;
  await plane.changes.removeExpired();
  assert.ok(plane.has(RULE.value));
  await plane.changes.confirm(0);
  await plane.changes.removeExpired();
  assert.ok(!plane.has(RULE.value));
  assert.match(plane.told.at(-1) ?? "", /^expiry \d system$/);
});

Deno.test("Changes.rollBack() brings an older revision's content back with its ids", async () => {
  using plane = new Plane();
  const before = plane.served.configuration;
  await plane.addRule();
  await plane.changes.make({
    author: "me",
    kind: "rpc",
    edit: (draft) => {
      for (const { id } of before.listeners) draft.removeListener(id);
    },
  });
  assert.deepEqual(plane.served.configuration.listeners, []);
  const { revision } = await plane.changes.rollBack(1, { author: "me", kind: "rollback" });
  assert.equal(revision, 4);
  const content = withoutExpired(before, plane.nowMs);
  assert.deepEqual(plane.served.configuration, content);
  assert.deepEqual(plane.store.readConfiguration(), content);
  await refuses(plane, "not_found", () => plane.changes.rollBack(99, { author: "me", kind: "rollback" }));
});

Deno.test("Changes.rollBack() doesn't bring an expired rule back", async () => {
  using plane = new Plane();
  await plane.addRule({}, { ...RULE, expiresAtMs: TIME_MS + 1_000 });
  await plane.addRule({}, { ...RULE, value: "192.0.2.8" });
  const { id } = plane.served.configuration.firewallRules.find(({ value }) => value === RULE.value)!;
  await plane.addRule({ edit: (draft) => draft.removeRule(id) });
  plane.nowMs += 999;
  await plane.changes.rollBack(3, { author: "me", kind: "rollback" });
  assert.ok(plane.has(RULE.value), "its time isn't over");
  await plane.addRule({ edit: (draft) => draft.removeRule(id) });
  plane.nowMs += 1;
  assert.deepEqual((await plane.changes.rollBack(3, { author: "me", kind: "rollback" })).changes, []);
  assert.ok(!plane.has(RULE.value) && plane.has("192.0.2.8"));
});

Deno.test("no revert brings an expired rule back", async () => {
  for (const isRestarted of [false, true]) {
    using plane = new Plane();
    await plane.addRule({}, { ...RULE, expiresAtMs: TIME_MS + 1_000 });
    const { id } = plane.served.configuration.firewallRules.find(({ value }) => value === RULE.value)!;
    await plane.addRule({ confirmWithinMs: 5_000, edit: (draft) => draft.removeRule(id) });
    plane.nowMs += 5_000;
    if (isRestarted) takeBackOverdue(plane.store, plane.nowMs);
    else await plane.changes.revertOverdue();
    assert.ok(!plane.store.readConfiguration().firewallRules.some(({ value }) => value === RULE.value));
    assert.equal(plane.store.readPending(), undefined);
  }
});

Deno.test("takeBackOverdue() takes an unconfirmed change back before anything is served", async () => {
  using plane = new Plane();
  assert.equal(takeBackOverdue(plane.store, plane.nowMs), undefined);
  await plane.addRule({ confirmWithinMs: 5_000 });
  assert.equal(takeBackOverdue(plane.store, plane.nowMs + 4_999), undefined);
  assert.equal(takeBackOverdue(plane.store, plane.nowMs + 5_000), 3);
  assert.equal(plane.store.readRevision(3)?.kind, "revert");
  assert.equal(plane.store.readPending(), undefined);
  assert.ok(!plane.store.readConfiguration().firewallRules.some(({ value }) => value === RULE.value));
  assert.equal(takeBackOverdue(plane.store, plane.nowMs + 5_000), undefined);
});

Deno.test("Changes.make() changes nothing for one who waits no longer, in its turn or when the workers have prepared", async () => {
  using plane = new Plane();
  const waits = new AbortController();
  const { signal } = waits;
  // Two that wait for their turn: the first one is given up while it is under way, and with it the second.
  const edit = (): void => waits.abort(new ProxyError("unavailable", "given up"));
  const first = refuses(
    plane,
    "unavailable",
    () => plane.addRule({ signal, edit: (draft) => (edit(), draft.addRule(RULE)) }),
  );
  const second = refuses(plane, "unavailable", () => plane.addRule({ signal }));
  await Promise.all([first, second]);
  await refuses(
    plane,
    "unavailable",
    () => plane.changes.rollBack(1, { author: "me", kind: "rollback", signal }),
  );
  await plane.addRule({ confirmWithinMs: 60_000 });
  await refuses(plane, "unavailable", () => plane.changes.confirm(0, undefined, signal));
});
