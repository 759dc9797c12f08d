/**
 * `[[listeners]]` and `[[listeners.routes]]`.
 *
 * @module
 */

import type { L7Options, ListenerSeed, Route, Seed } from "../state/model.ts";
import { describeValue } from "./issue.ts";
import type { Values } from "./key.ts";
import { LAYER_7_KEYS, LISTENER, ROUTE } from "./schema.ts";
import { keyPath, type PlacedTable, type Reading, readTable, readTables } from "./table.ts";

const TLS_TO_BACKEND_ONLY = "no such key unless the backend is reached over TLS";

/**
 * Reads the listeners with their routes. One with a mistake in its address, hostname or backend is left out: the
 * mistake keeps the file from being used.
 *
 * @param reading gets the mistakes
 * @param raw as the TOML parser gave it; undefined = none
 */
export function readListeners(reading: Reading, raw: unknown): readonly ListenerSeed[] {
  return readTables(reading, LISTENER.name, raw, "listeners").flatMap(({ table, at }) => {
    const values = readTable(reading, LISTENER, table, at);
    const placedRoutes = readTables(reading, ROUTE.name, table["routes"], `${at}.routes`);
    const routes = placedRoutes.flatMap((placed) => readRoute(reading, placed));
    if (values.proxy_protocol && values.trusted_proxies.length === 0) {
      const wanted = "the addresses that may send the PROXY protocol, as proxy_protocol is true";
      reading.issues.push({ path: `${at}.trusted_proxies`, wanted, got: "an empty list" });
    }
    if (values.addr === undefined) return [];
    return [{
      address: values.addr,
      maxConnections: values.max_connections,
      proxyProtocol: values.proxy_protocol,
      trustedProxies: values.trusted_proxies,
      routes,
    }];
  });
}

function readRoute(reading: Reading, placed: PlacedTable): Seed<Route>[] {
  const { table, at } = placed;
  const values = readTable(reading, ROUTE, table, at);
  // A route whose mode is a mistake could be either.
  if (values.mode === "l4" && (table["mode"] ?? "l4") === "l4") refuseLayer7Keys(reading, placed);
  const l7 = values.mode === "l7" ? readLayer7(reading, values, placed) : undefined;
  if (values.hostname === undefined || values.backend === undefined) return [];
  return [{
    hostname: values.hostname,
    backend: values.backend,
    enabled: values.enabled,
    mode: values.mode,
    sendProxyProtocol: values.send_proxy_protocol,
    ...(values.idle_timeout === undefined ? {} : { idleTimeoutMs: values.idle_timeout }),
    maxConnections: values.max_connections,
    ...(l7 === undefined ? {} : { l7 }),
  }];
}

function refuseLayer7Keys(reading: Reading, { table, at }: PlacedTable): void {
  for (const key of LAYER_7_KEYS.filter((key) => Object.hasOwn(table, key))) {
    const got = describeValue(table[key]);
    reading.issues.push({ path: keyPath(at, key), wanted: 'no such key unless mode = "l7"', got });
  }
}

function readLayer7(reading: Reading, values: Values<typeof ROUTE.keys>, placed: PlacedTable): L7Options {
  const backendProtocol = values.backend_protocol ?? (values.backend_tls === true ? "h2" : "h2c");
  const backendTls = values.backend_tls ?? backendProtocol === "h2";
  const refuse = (key: string, wanted: string) => {
    const path = keyPath(placed.at, key);
    // One mistake per key: a value of the wrong kind was reported and then read as its default.
    if (reading.issues.some((issue) => issue.path === path)) return;
    reading.issues.push({ path, wanted, got: describeValue(placed.table[key]) });
  };
  if (values.tls_cert === "") refuse("tls_cert", 'a path, as mode = "l7"');
  if (values.tls_key === "") refuse("tls_key", 'a path, as mode = "l7"');
  if (backendProtocol === "h2" && !backendTls) refuse("backend_tls", 'true, as backend_protocol = "h2"');
  if (backendProtocol === "h2c" && backendTls) refuse("backend_tls", 'false, as backend_protocol = "h2c"');
  if (!backendTls && values.backend_ca !== "") refuse("backend_ca", TLS_TO_BACKEND_ONLY);
  if (!backendTls && values.backend_server_name !== "") refuse("backend_server_name", TLS_TO_BACKEND_ONLY);
  return {
    tlsCert: values.tls_cert,
    tlsKey: values.tls_key,
    backendTls,
    backendCa: values.backend_ca,
    backendServerName: values.backend_server_name,
    backendProtocol,
    ...(values.acme_backend === undefined ? {} : { acmeBackend: values.acme_backend }),
    ...(values.max_body_bytes === undefined ? {} : { maxBodyBytes: values.max_body_bytes }),
  };
}
