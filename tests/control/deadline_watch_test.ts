import assert from "node:assert/strict";

import { DeadlineWatch } from "../../src/control/deadline_watch.ts";
import type { Configuration } from "../../src/state/model.ts";

Deno.test("DeadlineWatch does what is due at once, tries again after an error and then waits for the next", async () => {
  const expired: number[] = [];
  const errors: unknown[] = [];
  const second = Promise.withResolvers<void>();
  let nextMs = 30;
  const rule = {
    id: 1,
    type: "ip",
    value: "192.0.2.1",
    action: "block",
    mode: "enforce",
    comment: "",
  } as const;
  using watch = new DeadlineWatch({
    now: () => performance.now(),
    configuration: (): Configuration => ({
      listeners: [],
      firewallRules: nextMs === 0 ? [] : [{ ...rule, expiresAtMs: performance.now() + nextMs }],
    }),
    pending: () => undefined,
    removeExpired: () => {
      expired.push(performance.now());
      if (expired.length === 1) return Promise.resolve();
      nextMs = 0;
      second.resolve();
      return Promise.resolve();
    },
    revertOverdue: () => Promise.resolve(),
    onError: (error) => errors.push(error),
  });
  watch.look();
  await second.promise;
  assert.equal(expired.length, 2);
  assert.deepEqual(errors, []);
});

Deno.test("DeadlineWatch tells an error and goes on when a step throws", async () => {
  const error = Promise.withResolvers<unknown>();
  using watch = new DeadlineWatch({
    now: () => 0,
    configuration: () => undefined,
    pending: () => undefined,
    removeExpired: () => Promise.resolve(),
    revertOverdue: () => Promise.reject(new Error("no worker")),
    onError: error.resolve,
  });
  watch.look();
  assert.match(String(await error.promise), /no worker/);
});
