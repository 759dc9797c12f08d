import assert from "node:assert/strict";
import { LINE_BYTES_MAX } from "../../src/proxy/messages.ts";
import { type Preparation, prepareMessages } from "../../src/proxy/preparation.ts";
import type { Change } from "../../src/state/change.ts";
import { diffConfiguration, EMPTY_CONFIGURATION } from "../../src/state/diff.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";
import { blockRule, l4Route, SAMPLE } from "../state/configurations.ts";

const OPTIONS = {
  limits: DEFAULT_LIMITS,
  blockUnknownCountry: false,
  limitMode: "enforce",
  tellsRequests: false,
} as const;

function preparation(more: Partial<Preparation>): Preparation {
  return {
    revision: 3,
    generation: 1,
    changes: [],
    listenerSlots: [],
    routeSlots: [],
    pems: new Map(),
    routePems: [],
    options: OPTIONS,
    ...more,
  };
}

/** Cuts, checks every line's length and the place of `last`, and puts together what a worker would have read. */
function carried(whole: Preparation): Preparation & { readonly lines: number } {
  const lines = [...prepareMessages(whole)].map((part) => JSON.stringify(part));
  const pems = new Map<string, string>();
  const parts = lines.map((line) => {
    const bytes = new TextEncoder().encode(line).length;
    assert.ok(bytes <= LINE_BYTES_MAX, `a line of ${bytes} bytes`);
    const part = JSON.parse(line);
    assert.deepEqual([part.type, part.revision, part.generation], [
      "prepare",
      whole.revision,
      whole.generation,
    ]);
    for (const [digest, piece] of part.pemPieces) pems.set(digest, (pems.get(digest) ?? "") + piece);
    return part;
  });
  assert.deepEqual(parts.map((part) => part.last !== undefined).indexOf(true), parts.length - 1);
  const all = (name: string) => parts.flatMap((part) => part[name]);
  return {
    ...whole,
    changes: all("changes"),
    listenerSlots: all("listenerSlots"),
    routeSlots: all("routeSlots"),
    routePems: all("routePems"),
    pems,
    options: parts.at(-1).last,
    lines: lines.length,
  };
}

function assertWhole(whole: Preparation, linesMin = 1): void {
  const { lines, ...read } = carried(whole);
  assert.deepEqual(read, whole);
  assert.ok(lines >= linesMin, `${lines} lines`);
}

Deno.test("prepareMessages() carries nothing and a whole configuration in few lines", () => {
  assertWhole(preparation({}));
  assertWhole(preparation({
    changes: diffConfiguration(EMPTY_CONFIGURATION, SAMPLE),
    listenerSlots: [[1, 0], [2, 1]],
    routeSlots: [[1, 0]],
    routePems: [{ routeId: 3, chain: "a", key: "b", authorities: "c" }],
    pems: new Map([["a", "chain"], ["b", "key"]]),
  }));
});

Deno.test("prepareMessages() cuts 20,000 changes into lines of 64 KiB and loses or reorders none", () => {
  const comments = [
    "",
    "ü".repeat(200),
    "漢".repeat(200),
    '"\\'.repeat(100),
    "\u0001".repeat(200),
    "😀".repeat(100),
  ];
  const changes = Array.from({ length: 20_000 }, (_, index): Change => ({
    kind: "rule_put",
    rule: blockRule(index + 1, "ip", `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, {
      comment: comments[index % comments.length]!,
    }),
  }));
  assertWhole(preparation({ changes }), 100);
  const route = (index: number) => l4Route(index, `${"n".repeat(60)}.`.repeat(4) + "test");
  const routeChanges = Array.from({ length: 2_000 }, (_, index): Change => ({
    kind: "route_put",
    listenerId: 1,
    route: route(index),
    previous: route(index),
  }));
  assertWhole(preparation({ changes: routeChanges }), 50);
});

Deno.test("prepareMessages() cuts slots, PEM texts and the routes that use them", () => {
  const slots = Array.from({ length: 16_384 }, (_, slot) => [Number.MAX_SAFE_INTEGER - slot, slot] as const);
  const digest = (number: number) => `${number}`.padStart(43, "d");
  const line = `${"A".repeat(64)}\n`;
  const pems = new Map(
    Array.from({ length: 20 }, (_, index) => [digest(index), line.repeat(index * 200 + 1)]),
  );
  const routePems = Array.from({ length: 5_000 }, (_, routeId) => ({
    routeId,
    chain: digest(routeId),
    key: digest(routeId + 1),
    authorities: digest(routeId + 2),
  }));
  assertWhole(preparation({ listenerSlots: slots.slice(0, 256), routeSlots: slots, pems, routePems }), 50);
});
