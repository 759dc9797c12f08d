import assert from "node:assert/strict";
import type { CertificateSet } from "../../src/control/certificate_set.ts";
import { ExpiryWarnings } from "../../src/control/expiry_warnings.ts";
import type { LogFields } from "../../src/observe/log.ts";
import { l4Route, listener } from "../state/configurations.ts";

const DAY_MS = 86_400_000;
const NOW = Date.UTC(2026, 5, 1);
const CONFIGURATION = {
  listeners: [listener(1, "127.0.0.1", [l4Route(1, "a.test"), l4Route(2, "b.test")])],
  firewallRules: [],
};

function setOf(notBeforeMs: number, notAfterMs: number): CertificateSet {
  const pems = { routeId: 1, chain: "c", key: "k" };
  const shown = { names: ["a.test"], validity: { notBeforeMs, notAfterMs } };
  return { texts: new Map(), routes: new Map([[1, { pems, shown }]]) };
}

function warnings(): { told: [event: string, fields: LogFields | undefined][]; expiry: ExpiryWarnings } {
  const told: [string, LogFields | undefined][] = [];
  return {
    told,
    expiry: new ExpiryWarnings({ warning: (event, fields) => void told.push([event, fields]) }),
  };
}

const DATES: [name: string, fromDays: number, toDays: number, expected: string | undefined][] = [
  ["valid for long", -1, 30, undefined],
  ["14 days left", -1, 14, undefined],
  ["less than 14 days left", -1, 13.9, "certificate_expires"],
  ["the last moment", -1, 0, "certificate_expires"],
  ["expired", -10, -0.001, "certificate_expired"],
  ["expired long ago", -100, -50, "certificate_expired"],
  ["not yet valid", 0.5, 30, "certificate_not_yet_valid"],
];

Deno.test("ExpiryWarnings.tell() warns of dates that are over, near or still to come", async (t) => {
  for (const [name, fromDays, toDays, expected] of DATES) {
    await t.step(name, () => {
      const { told, expiry } = warnings();
      expiry.tell(CONFIGURATION, setOf(NOW + fromDays * DAY_MS, NOW + toDays * DAY_MS), NOW);
      assert.deepEqual(told.map(([event]) => event), expected === undefined ? [] : [expected]);
      if (expected === undefined) return;
      const notAfter = new Date(NOW + toDays * DAY_MS).toISOString();
      const notBefore = new Date(NOW + fromDays * DAY_MS).toISOString();
      assert.deepEqual(told[0]![1], { route: "a.test", not_before: notBefore, not_after: notAfter });
    });
  }
});

Deno.test("ExpiryWarnings.tell() says it once a day, and again for another certificate", () => {
  const { told, expiry } = warnings();
  const set = setOf(NOW - DAY_MS, NOW + 3 * DAY_MS);
  for (const minutes of [0, 1, 2]) expiry.tell(CONFIGURATION, set, NOW + minutes * 60_000);
  assert.equal(told.length, 2, "a day less is left from the first minute on");
  expiry.tell(CONFIGURATION, setOf(NOW - DAY_MS, NOW + 90 * DAY_MS), NOW);
  expiry.tell(CONFIGURATION, set, NOW);
  assert.equal(told.length, 3);
});

Deno.test("ExpiryWarnings.tell() passes routes without certificate over", () => {
  const { told, expiry } = warnings();
  expiry.tell(CONFIGURATION, { texts: new Map(), routes: new Map([[1, { pems: { routeId: 1 } }]]) }, NOW);
  assert.deepEqual(told, []);
});
