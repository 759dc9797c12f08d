import assert from "node:assert/strict";
import fc from "fast-check";
import { type DecisionRoute, RouteTable } from "../../src/policy/route_table.ts";

function table(routes: readonly DecisionRoute[]): RouteTable<DecisionRoute> {
  return new RouteTable(new Map(routes.map((route) => [route.hostname, route])));
}

function routesOf(...hostnames: readonly string[]): DecisionRoute[] {
  return hostnames.map((text, id) => ({
    id,
    hostname: text.replace("!", ""),
    enabled: !text.startsWith("!"),
    mode: "l4",
  }));
}

Deno.test("RouteTable.find() takes exact, then wildcard, then default, as if disabled routes weren't there", async (t) => {
  // "!" marks a disabled route.
  const rows: readonly [string[], string | undefined, string | undefined][] = [
    [["a.example.org", "*.example.org", "*"], "a.example.org", "a.example.org exact"],
    [["a.example.org", "*.example.org", "*"], "b.example.org", "*.example.org wildcard"],
    [["a.example.org", "*.example.org", "*"], "example.org", "* default"],
    [["a.example.org", "*.example.org", "*"], "a.b.example.org", "* default"],
    [["*.example.org", "*.b.example.org"], "a.b.example.org", "*.b.example.org wildcard"],
    [["*.example.org"], "a.b.example.org", undefined],
    [["*.example.org"], "example.org", undefined],
    [["*.org"], "example.org", "*.org wildcard"],
    [["*.org"], "org", undefined],
    [["a.example.org", "*"], undefined, "* default"],
    [["a.example.org", "*.example.org"], undefined, undefined],
    [["!a.example.org", "*.example.org", "*"], "a.example.org", "*.example.org wildcard"],
    [["!a.example.org", "!*.example.org", "*"], "a.example.org", "* default"],
    [["!*"], "a.example.org", undefined],
    [["!*"], undefined, undefined],
    [[], "a.example.org", undefined],
  ];
  for (const [hostnames, name, expected] of rows) {
    await t.step(`${name} in ${hostnames}`, () => {
      const found = table(routesOf(...hostnames)).find(name);
      assert.equal(found && `${found.route.hostname} ${found.why}`, expected);
    });
  }
});

const label = fc.constantFrom("a", "b", "git");
const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));
const hostname = fc.oneof(name, name.map((text) => `*.${text}`), fc.constant("*"));
const routes = fc.uniqueArray(fc.record({ hostname, enabled: fc.boolean() }), {
  maxLength: 20,
  selector: (route) => route.hostname,
}).map((list) => list.map((route, id): DecisionRoute => ({ ...route, id, mode: "l4" })));

/** The longest hostname that matches, found by trying them all. */
function naiveFind(list: readonly DecisionRoute[], wanted: string | undefined): number | undefined {
  const matching = list.filter((route) => {
    if (!route.enabled) return false;
    if (route.hostname === "*") return true;
    if (wanted === undefined) return false;
    if (!route.hostname.startsWith("*.")) return route.hostname === wanted;
    const suffix = route.hostname.slice(1);
    return wanted.endsWith(suffix) && !wanted.slice(0, -suffix.length).includes(".") && wanted !== suffix;
  });
  const rank = (route: DecisionRoute) => route.hostname.startsWith("*") ? route.hostname.length : 1_000;
  return matching.sort((left, right) => rank(right) - rank(left))[0]?.id;
}

Deno.test("RouteTable.find() equals a search through all routes, watched or not", () => {
  fc.assert(fc.property(routes, fc.option(name, { nil: undefined }), (list, wanted) => {
    const seen: string[] = [];
    const found = table(list).find(wanted);
    const watched = table(list).find(wanted, (route, _why, standing) => seen.push(`${route.id} ${standing}`));
    assert.equal(found?.route.id, naiveFind(list, wanted));
    assert.deepEqual(watched, found);
    assert.deepEqual(
      seen.filter((line) => line.endsWith("chosen")),
      found === undefined ? [] : [`${found.route.id} chosen`],
    );
  }));
});

Deno.test("RouteTable.find() tells an observer what lost and why", () => {
  const seen: string[] = [];
  table(routesOf("!a.example.org", "*.example.org", "*")).find(
    "a.example.org",
    (route, why, standing) => seen.push(`${route.hostname} ${why} ${standing}`),
  );
  assert.deepEqual(seen, [
    "a.example.org exact disabled",
    "*.example.org wildcard chosen",
    "* default overridden",
  ]);
});
