import assert from "node:assert/strict";
import { offersHttp } from "../../src/l7/offer_rules.ts";

Deno.test("offersHttp() takes a client without ALPN, or with a protocol of ours", () => {
  for (const alpn of [[], ["h2"], ["spdy/3", "http/1.1"]]) assert.ok(offersHttp(alpn), String(alpn));
  for (const alpn of [["spdy/3"], ["H2"], ["acme-tls/1"], [""]]) assert.ok(!offersHttp(alpn), String(alpn));
});
