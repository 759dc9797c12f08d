import assert from "node:assert/strict";

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { durationOf } from "../../src/admin/answers.ts";

Deno.test("durationOf() can be written, to the microsecond, whatever fraction a clock gives", () => {
  const table: [ms: number, seconds: bigint, nanos: number][] = [
    [0, 0n, 0],
    [32.91, 0n, 32_910_000],
    [999.999_6, 1n, 0],
    [90_000, 90n, 0],
  ];
  for (const [ms, seconds, nanos] of table) {
    const { seconds: gotSeconds, nanos: gotNanos } = durationOf(ms);
    assert.deepEqual([gotSeconds, gotNanos], [seconds, nanos], `${ms} ms`);
  }
  fc.assert(fc.property(fc.double({ min: 0, max: 1e12, noNaN: true }), (ms) => {
    const read = fromBinary(DurationSchema, toBinary(DurationSchema, durationOf(ms)));
    assert.ok(Math.abs(Number(read.seconds) * 1_000 + read.nanos / 1e6 - ms) <= 0.001);
    assert.ok(read.nanos >= 0 && read.nanos < 1e9);
  }));
});
