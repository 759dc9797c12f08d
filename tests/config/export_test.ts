import assert from "node:assert/strict";
import fc from "fast-check";

import { exportConfig } from "../../src/config/export.ts";
import { parseConfig } from "../../src/config/parse.ts";
import example from "../../mc-proxy.toml.example" with { type: "text" };
import type { Configuration, ConfigurationSeed, Route } from "../../src/state/model.ts";
import { EXPIRES_MAX_MS } from "../../src/state/validate.ts";
import { seedDiffers } from "../../src/store/seed.ts";
import { anyConfiguration, L7 } from "../state/configurations.ts";

const FOLDER = "/etc/mc-proxy";
const COMPLETE = example.replaceAll(/^( *)#l7 /gm, "$1");
const NOW_MS = Date.UTC(2026, 0, 1);

/** A configuration with ids, as a database would give them. */
function withIds({ listeners, firewallRules }: ConfigurationSeed): Configuration {
  return {
    listeners: listeners.map((listener, at) => ({
      ...listener,
      id: at + 1,
      routes: listener.routes.map((route, index) => ({ ...route, id: index + 1 })),
    })),
    firewallRules: firewallRules.map((rule, index) => ({ ...rule, id: index + 1 })),
  };
}

Deno.test("exportConfig() gives a file that seeds the same configuration and settings", () => {
  const changed = COMPLETE
    .replaceAll(/^(\s*)proxy_protocol = false/gm, "$1proxy_protocol = true")
    .replaceAll("trusted_proxies = []", 'trusted_proxies = ["10.0.0.0/8", "::1"]')
    .replaceAll('idle_timeout = "1h"', 'idle_timeout = "61s"')
    .replaceAll("enabled = true", "enabled = false")
    .replaceAll('limit_mode = "enforce"', 'limit_mode = "shadow"')
    .replaceAll('level = "info"', 'level = "debug"');
  for (const text of [example, COMPLETE, changed]) {
    const { config, issues } = parseConfig(text, { folder: FOLDER });
    assert.deepEqual(issues, undefined);
    const toml = exportConfig(config!.settings, withIds(config!.seed), NOW_MS);
    const again = parseConfig(toml, { folder: "/elsewhere" });
    assert.deepEqual(again.issues, undefined);
    assert.deepEqual(again.config, config);
  }
});

/** Any configuration as the API can make it: options of layer 7, any comment and time. */
const anyExported = fc.tuple(
  anyConfiguration,
  fc.array(
    fc.record({
      comment: fc.string({ unit: "grapheme", maxLength: 40 }),
      expiresAtMs: fc.option(fc.integer({ min: NOW_MS + 1, max: EXPIRES_MAX_MS }), { nil: undefined }),
      l7: fc.option(
        fc.record({
          backendServerName: fc.constantFrom("", "b.test"),
          maxBodyBytes: fc.option(fc.nat(), { nil: undefined }),
          acmeBackend: fc.option(fc.constant({ host: "::1", port: 8_402 }), { nil: undefined }),
        }),
        { nil: undefined },
      ),
      trustedProxies: fc.constantFrom([], ["10.0.0.0/8", "2001:db8::1"]),
      sendProxyProtocol: fc.boolean(),
    }),
    { minLength: 12, maxLength: 12 },
  ),
).map(([{ listeners, firewallRules }, extras]): Configuration => {
  const extra = (index: number) => extras[index % extras.length]!;
  return {
    listeners: listeners.map((listener, index) => ({
      ...listener,
      proxyProtocol: extra(index).trustedProxies.length > 0,
      trustedProxies: extra(index).trustedProxies,
      routes: listener.routes.map((route, at): Route => {
        const { l7, sendProxyProtocol } = extra(index + at);
        if (l7 === undefined) return { ...route, sendProxyProtocol };
        const { backendServerName, maxBodyBytes, acmeBackend } = l7;
        const hasTls = backendServerName !== "";
        return {
          ...route,
          sendProxyProtocol,
          mode: "l7",
          l7: {
            ...L7,
            backendTls: hasTls,
            backendProtocol: hasTls ? "h2" : "h2c",
            backendServerName,
            ...(maxBodyBytes !== undefined && { maxBodyBytes }),
            ...(acmeBackend !== undefined && route.hostname !== "*" && { acmeBackend }),
          },
        };
      }),
    })),
    firewallRules: firewallRules.map((rule, index) => {
      const { comment, expiresAtMs } = extra(index);
      return { ...rule, comment, ...(expiresAtMs !== undefined && { expiresAtMs }) };
    }),
  };
});

Deno.test("exportConfig() gives a file that seeds any configuration again", () => {
  const { config } = parseConfig(example, { folder: FOLDER });
  const settings = { ...config!.settings, geoipDb: "/var/lib/country.mmdb" };
  fc.assert(fc.property(anyExported, (configuration) => {
    const again = parseConfig(exportConfig(settings, configuration, NOW_MS), { folder: FOLDER });
    assert.deepEqual(again.issues, undefined);
    assert.equal(seedDiffers(again.config!.seed, configuration), false);
    assert.deepEqual(again.config!.settings, settings);
  }));
});

Deno.test("exportConfig() leaves out rules that have expired", () => {
  const { config } = parseConfig(example, { folder: FOLDER });
  const configuration = withIds(config!.seed);
  const expiresAtMs = configuration.firewallRules[0]!.expiresAtMs!;
  assert.match(exportConfig(config!.settings, configuration, expiresAtMs - 1), /192\.0\.2\.0/);
  assert.doesNotMatch(exportConfig(config!.settings, configuration, expiresAtMs), /192\.0\.2\.0/);
});
