import assert from "node:assert/strict";
import {
  connectionsOfDescriptors,
  effectiveLimits,
  shortForMain,
  shortOfDescriptors,
} from "../../src/control/effective_limits.ts";
import { loadNative } from "../../src/net/native.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";

// Loaded for the process, as the program does: not by one test.
loadNative();

Deno.test("effectiveLimits() fills in what is 0, and leaves what is said", () => {
  const computed = effectiveLimits({ ...DEFAULT_LIMITS, workers: 3, rateLimit: 5 });
  assert.equal(computed.maxConnections, 3 * connectionsOfDescriptors());
  assert.equal(computed.rateBurst, 10);
  const said = effectiveLimits({
    ...DEFAULT_LIMITS,
    workers: 3,
    maxConnections: 7,
    rateLimit: 5,
    rateBurst: 6,
  });
  assert.deepEqual([said.workers, said.maxConnections, said.rateBurst], [3, 7, 6]);
  assert.ok(effectiveLimits(DEFAULT_LIMITS).workers >= 1);
});

Deno.test("shortOfDescriptors() speaks when max_connections promises more than descriptors allow, and only then", () => {
  const most = 2 * connectionsOfDescriptors();
  assert.equal(shortOfDescriptors({ ...DEFAULT_LIMITS, workers: 2, maxConnections: most }), undefined);
  assert.match(
    shortOfDescriptors({ ...DEFAULT_LIMITS, workers: 2, maxConnections: most + 1 })!,
    new RegExp(
      `^max_connections is ${most + 1}, but the file limit \\(ulimit -n\\) allows ${most} in 2 workers$`,
    ),
  );
});

Deno.test("shortForMain() speaks when workers and clients of the admin API need more than there are, and only then", () => {
  const limits = { ...DEFAULT_LIMITS, workers: 3 };
  assert.equal(shortForMain(limits, 64, 204), undefined);
  assert.equal(
    shortForMain(limits, 64, 203),
    "the file limit (ulimit -n) is 203, and the main process may need 204, of which clients of the admin API 64",
  );
});
