import assert from "node:assert/strict";
import { parsePrometheusText } from "./prometheus_text.ts";

const HEAD = "# HELP a_total help of it\n# TYPE a_total counter\n";
const HISTOGRAM = "# HELP h help\n# TYPE h histogram\n";

Deno.test("parsePrometheusText() reads families with their labels", () => {
  const families = parsePrometheusText(`${HEAD}a_total{x="1",y="q\\"\\\\\\n"} 3\na_total 4.5e+3\n`);
  assert.deepEqual(families.get("a_total"), {
    type: "counter",
    help: "help of it",
    samples: [
      { name: "a_total", labels: { x: "1", y: 'q"\\\n' }, value: 3 },
      { name: "a_total", labels: {}, value: 4_500 },
    ],
  });
  const histogram = 'h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 3\nh_sum 4\nh_count 3\n';
  assert.equal(parsePrometheusText(HISTOGRAM + histogram).get("h")?.samples.length, 4);
});

Deno.test("parsePrometheusText() refuses what Prometheus would", () => {
  const texts = [
    "a_total 1\n",
    `${HEAD}a_total 1`,
    `${HEAD}b_total 1\n`,
    `${HEAD}a_total NaN\n`,
    `${HEAD}a_total{x=1} 1\n`,
    `${HEAD}a_total{x="1" y="2"} 1\n`,
    `${HEAD}a_total{x="\\q"} 1\n`,
    `${HEAD}a_total 1\na_total 2\n`,
    `${HEAD}a_total 1\n\n`,
    `${HEAD}${HEAD}`,
    "# TYPE a_total counter\n",
    `${HISTOGRAM}h_bucket{le="1"} 4\nh_bucket{le="+Inf"} 3\nh_sum 4\nh_count 3\n`,
    `${HISTOGRAM}h_bucket{le="1"} 3\nh_sum 4\nh_count 3\n`,
    `${HISTOGRAM}h_bucket{le="+Inf"} 3\nh_sum 4\nh_count 2\n`,
  ];
  for (const text of texts) assert.throws(() => parsePrometheusText(text), assert.AssertionError, text);
});
