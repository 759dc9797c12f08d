import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";

import type { ControlPlane } from "../../src/admin/control_plane.ts";
import { explainService } from "../../src/admin/explain_service.ts";
import { ConnectionFeed } from "../../src/admin/connection_feed.ts";
import { TryRulesRequestSchema } from "../../src/admin/gen/mc_proxy/v1/explain_pb.ts";
import { ipv4Address } from "../../src/policy/ip_address.ts";
import type { FirewallRule } from "../../src/state/model.ts";
import { DEFAULT_LIMITS } from "../../src/state/limits.ts";

/** More than a function takes as arguments. */
const RULES = 130_000;

Deno.test("TryRules adds to more rules than a call has arguments", async () => {
  const firewallRules = Array.from({ length: RULES }, (_, index): FirewallRule => ({
    id: index + 1,
    type: "ip",
    value: ipv4Address(0x0a00_0000 + index).text,
    action: "block",
    mode: "enforce",
    comment: "",
  }));
  const served = {
    configuration: { listeners: [], firewallRules },
    revision: 1,
    generation: 1,
    options: { limits: DEFAULT_LIMITS, blockUnknownCountry: false },
  };
  const feed = new ConnectionFeed();
  const plane = { served: () => served, feed, country: () => undefined, store: { revision: 1 } };
  const { tryRules } = explainService(plane as unknown as ControlPlane);
  const request = create(TryRulesRequestSchema, { inAddition: true });
  const answer = await tryRules(request, {} as Parameters<typeof tryRules>[1]);
  assert.equal(answer.tried, 0);
});
