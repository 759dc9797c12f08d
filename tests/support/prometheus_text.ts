/**
 * A strict reader of Prometheus' text format, version 0.0.4: what it takes, Prometheus takes.
 *
 * @module
 */

import assert from "node:assert/strict";

/** One line with a value. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One metric with all of its samples. */
export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy;

/** Reads a whole text. Throws for anything that the format doesn't allow, and for a series that is there twice. */
export function parsePrometheusText(text: string): ReadonlyMap<string, Family> {
  assert.ok(text.endsWith("\n"), "the last line has no end");
  const families = new Map<string, { type: string; help: string; samples: Sample[] }>();
  const series = new Set<string>();
  let current = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const [, keyword, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (keyword === "HELP") {
      assert.ok(NAME.test(name!) && !families.has(name!), `twice, or no name: ${line}`);
      families.set(name!, { type: "", help: rest!, samples: [] });
      current = name!;
    } else if (keyword === "TYPE") {
      assert.ok(name === current && families.get(name)!.type === "", `out of order: ${line}`);
      assert.match(rest!, /^(counter|gauge|histogram)$/);
      families.get(name)!.type = rest!;
    } else {
      const sample = parseSample(line);
      const family = families.get(current);
      assert.ok(family !== undefined && family.type !== "", `before its TYPE: ${line}`);
      const own = family.type === "histogram" ? sample.name.replace(/_(bucket|sum|count)$/, "") : sample.name;
      assert.equal(own, current, `among another metric's: ${line}`);
      const identity = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
      assert.ok(!series.has(identity), `twice: ${line}`);
      series.add(identity);
      family.samples.push(sample);
    }
  }
  for (const [name, family] of families) if (family.type === "histogram") assertHistogram(name, family);
  return families;
}

function parseSample(line: string): Sample {
  const [, name, labelText, value] = SAMPLE.exec(line) ?? [];
  assert.ok(name !== undefined && value !== undefined, `no sample: ${line}`);
  const labels: Record<string, string> = {};
  let end = 0;
  for (const match of (labelText ?? "").matchAll(LABEL)) {
    labels[match[1]!] = match[2]!.replaceAll(/\\(.)/g, (_, each) => each === "n" ? "\n" : each);
    end = match.index + match[0].length;
  }
  assert.equal(end, (labelText ?? "").length, `labels that can't be read: ${line}`);
  assert.ok(Number.isFinite(Number(value)), `no number: ${line}`);
  return { name, labels, value: Number(value) };
}

/** Buckets grow, end with +Inf, and that one is the count. */
function assertHistogram(name: string, { samples }: Family): void {
  const groups = Map.groupBy(samples, ({ labels: { le: _, ...rest } }) => JSON.stringify(rest));
  for (const [labels, group] of groups) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels: { le } }) => le === "+Inf" ? Infinity : Number(le));
    assert.deepEqual(bounds, bounds.toSorted((left, right) => left - right), `${name}${labels}: order`);
    const counts = buckets.map(({ value }) => value);
    assert.deepEqual(counts, counts.toSorted((left, right) => left - right), `${name}${labels}: falls`);
    assert.equal(bounds.at(-1), Infinity);
    const one = (suffix: string) => group.filter((sample) => sample.name === name + suffix);
    assert.deepEqual([one("_count").map(({ value }) => value), one("_sum").length], [[counts.at(-1)], 1]);
  }
}
