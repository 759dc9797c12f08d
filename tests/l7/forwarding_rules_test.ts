import assert from "node:assert/strict";
import { addForwarding } from "../../src/l7/forwarding_rules.ts";
import { FACTS, lines } from "./heads.ts";

Deno.test("addForwarding() appends each forwarding field once, behind what is there", () => {
  const fields = ["accept", "a"];
  addForwarding(fields, FACTS, "app.test:444");
  assert.deepEqual(lines(fields), [
    "accept: a",
    "x-forwarded-for: 192.0.2.1",
    "x-real-ip: 192.0.2.1",
    "x-forwarded-proto: https",
    "x-forwarded-host: app.test:444",
    "x-forwarded-port: 443",
  ]);
});
