import assert from "node:assert/strict";
import { parse } from "smol-toml";
import { configText, routes } from "./config.ts";

Deno.test("configText() is TOML that says the same", () => {
  const tables = {
    listeners: [{ addr: "127.0.0.1:1", routes: routes({ "*.a.test": "[::1]:2" }, { idle_timeout: "1s" }) }],
    proxy: { workers: 1 },
    firewall: { rules: [{ type: "ip", value: "192.0.2.1" }] },
  };
  assert.deepEqual(
    JSON.parse(JSON.stringify(parse(configText(tables)))),
    { database: { path: "mc-proxy.db" }, ...tables },
  );
});
