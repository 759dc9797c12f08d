/**
 * `[[listeners]]` and `[[listeners.routes]]`.
 *
 * @module
 */

import type { Endpoint, L7Options, ListenerSeed, Route, Seed } from "../state/model.ts";
import { describeValue } from "./issue.ts";
import type { Values } from "./key.ts";
import { LAYER_7_KEYS, LISTENER, ROUTE } from "./schema.ts";
import { keyPath, type PlacedTable, type Reading, readTable, readTables } from "./table.ts";

/** Stands where an address was a mistake, so that everything else is still checked, by the file's own indexes. */
const NOWHERE: Endpoint = { host: "", port: -1 };

/**
 * Reads the listeners with their routes: each value by itself. What one value requires of another is checked by
 * `validateConfiguration`.
 *
 * @param reading gets the mistakes
 * @param raw as the TOML parser gave it; undefined = none
 */
export function readListeners(reading: Reading, raw: unknown): readonly ListenerSeed[] {
  return readTables(reading, LISTENER.name, raw, "listeners").map(({ table, at }) => {
    const values = readTable(reading, LISTENER, table, at);
    const routes = readTables(reading, ROUTE.name, table["routes"], `${at}.routes`);
    return {
      address: values.addr ?? NOWHERE,
      maxConnections: values.max_connections,
      proxyProtocol: values.proxy_protocol,
      trustedProxies: values.trusted_proxies,
      routes: routes.map((placed) => readRoute(reading, placed)),
    };
  });
}

function readRoute(reading: Reading, placed: PlacedTable): Seed<Route> {
  const { table, at } = placed;
  const values = readTable(reading, ROUTE, table, at);
  // A route whose mode is a mistake could be either.
  if (values.mode === "l4" && (table["mode"] ?? "l4") === "l4") refuseLayer7Keys(reading, placed);
  return {
    hostname: values.hostname ?? "",
    backend: values.backend ?? NOWHERE,
    enabled: values.enabled,
    mode: values.mode,
    sendProxyProtocol: values.send_proxy_protocol,
    ...(values.idle_timeout === undefined ? {} : { idleTimeoutMs: values.idle_timeout }),
    maxConnections: values.max_connections,
    ...(values.mode === "l7" ? { l7: layer7Options(values) } : {}),
  };
}

function refuseLayer7Keys(reading: Reading, { table, at }: PlacedTable): void {
  for (const key of LAYER_7_KEYS.filter((key) => Object.hasOwn(table, key))) {
    const got = describeValue(table[key]);
    reading.issues.push({ path: keyPath(at, key), wanted: 'no such key unless mode = "l7"', got });
  }
}

function layer7Options(values: Values<typeof ROUTE.keys>): L7Options {
  const backendProtocol = values.backend_protocol ?? (values.backend_tls === true ? "h2" : "h2c");
  return {
    tlsCert: values.tls_cert,
    tlsKey: values.tls_key,
    backendTls: values.backend_tls ?? backendProtocol === "h2",
    backendCa: values.backend_ca,
    backendServerName: values.backend_server_name,
    backendProtocol,
    ...(values.acme_backend === undefined ? {} : { acmeBackend: values.acme_backend }),
    ...(values.max_body_bytes === undefined ? {} : { maxBodyBytes: values.max_body_bytes }),
  };
}
