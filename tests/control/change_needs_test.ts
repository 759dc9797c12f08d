import assert from "node:assert/strict";
import { requireChangeNeeds } from "../../src/control/change_needs.ts";
import type { Change } from "../../src/state/change.ts";
import { EMPTY_CONFIGURATION } from "../../src/state/diff.ts";
import type { ErrorCode } from "../../src/errors.ts";
import { blockRule } from "../state/configurations.ts";
import { listenerOn } from "./workers.ts";

function put(port: number): Change {
  return { kind: "listener_put", listener: listenerOn(2, port, []) };
}

function refusal(code: ErrorCode, message: RegExp): (error: Error & { code?: string }) => boolean {
  return (error) => error.code === code && message.test(error.message);
}

Deno.test("requireChangeNeeds() refuses an address that another program listens on, also with reusePort", () => {
  for (const reusePort of [false, true]) {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0, reusePort });
    const { port } = taken.addr;
    assert.throws(
      () => requireChangeNeeds(EMPTY_CONFIGURATION, [put(port)], false),
      refusal("unavailable", new RegExp(`127\\.0\\.0\\.1:${port} \\(in use by another program\\)`)),
    );
    const served = { listeners: [listenerOn(1, port, [])], firewallRules: [] };
    requireChangeNeeds(served, [put(port)], false);
  }
});

Deno.test("requireChangeNeeds() refuses a country rule when no database is configured", () => {
  const rule: Change = { kind: "rule_put", rule: blockRule(1, "country", "DE") };
  assert.throws(
    () => requireChangeNeeds(EMPTY_CONFIGURATION, [rule], false),
    refusal("invalid", /geoip_db names none/),
  );
  requireChangeNeeds(EMPTY_CONFIGURATION, [rule], true);
});
