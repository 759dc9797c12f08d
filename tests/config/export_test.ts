import assert from "node:assert/strict";

import { exportConfig } from "../../src/config/export.ts";
import { parseConfig } from "../../src/config/parse.ts";
import example from "../../mc-proxy.toml.example" with { type: "text" };
import type { Configuration, ConfigurationSeed } from "../../src/state/model.ts";

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

Deno.test("exportConfig() leaves out rules that have expired", () => {
  const { config } = parseConfig(example, { folder: FOLDER });
  const configuration = withIds(config!.seed);
  const expiresAtMs = configuration.firewallRules[0]!.expiresAtMs!;
  assert.match(exportConfig(config!.settings, configuration, expiresAtMs - 1), /192\.0\.2\.0/);
  assert.doesNotMatch(exportConfig(config!.settings, configuration, expiresAtMs), /192\.0\.2\.0/);
});
