import assert from "node:assert/strict";
import {
  connectionOptions,
  type FieldRule,
  isAltSvc,
  isForwarding,
  isHopByHop,
  isLookAlike,
  isProxyField,
  isRequestId,
  withoutDropped,
} from "../../src/l7/field_rules.ts";

const RULES: [rule: FieldRule, dropped: string[], passed: string[]][] = [
  [isHopByHop, ["connection", "te", "transfer-encoding", "http2-settings", "proxy-authorization"], [
    "content-length",
    "expect",
    "trailer",
    "proxy",
  ]],
  [isForwarding, ["forwarded", "x-forwarded", "x-forwarded-for", "x-forwarded-anything", "x-real-ip"], [
    "x-forward",
    "x-forwardedfor",
    "x-real-ip-2",
    "forwarded-for",
  ]],
  [isProxyField, ["proxy"], ["proxy-status", "x-proxy"]],
  [isRequestId, ["x-request-id"], ["x-request-id-2", "request-id"]],
  [isAltSvc, ["alt-svc"], ["alt-used"]],
  [isLookAlike, ["x_forwarded_for", "x.real.ip", "content_length", "proxy_authorization", "x_request_id"], [
    "x-forwarded-for",
    "x_api_key",
    "content-length",
    "_",
  ]],
];

Deno.test("each field rule drops its own names and no others", async (t) => {
  for (const [rule, dropped, passed] of RULES) {
    await t.step(rule.name, () => {
      for (const name of dropped) assert.ok(rule(name), name);
      for (const name of passed) assert.ok(!rule(name), name);
    });
  }
});

Deno.test("connectionOptions() joins all connection fields and leaves framing out", () => {
  assert.equal(connectionOptions(["a", "connection"]), undefined);
  const fields = ["connection", "Close, X-A", "b", "c", "connection", "\t host ,content-length,TE"];
  assert.deepEqual([...connectionOptions(fields)!], ["close", "x-a", "te"]);
});

Deno.test("withoutDropped() gives the same array back when nothing has to go", () => {
  const fields = ["a", "1", "b", "2"];
  assert.equal(withoutDropped(fields, [isAltSvc]), fields);
  assert.deepEqual(withoutDropped(["a", "1", "alt-svc", "x", "b", "2"], [isAltSvc]), fields);
});
