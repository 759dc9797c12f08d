import assert from "node:assert/strict";
import { groupLabelsOf, selectorsOf } from "./promql.ts";

Deno.test("selectorsOf() and groupLabelsOf() find metrics, matchers and labels of an expression", () => {
  const expression =
    'sum by (a, b) (rate(mcproxy_x_total{c=~"d|e",f!="g"}[5m])) > 0 or node_y unless mcproxy_z{}';
  assert.deepEqual(selectorsOf(expression), [
    {
      metric: "mcproxy_x_total",
      matchers: [{ label: "c", operator: "=~", value: "d|e" }, { label: "f", operator: "!=", value: "g" }],
    },
    { metric: "node_y", matchers: [] },
    { metric: "mcproxy_z", matchers: [] },
  ]);
  assert.deepEqual(groupLabelsOf(expression), ["a", "b"]);
});
