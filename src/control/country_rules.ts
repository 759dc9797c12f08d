/**
 * What country rules need.
 *
 * @module
 */

import { ProxyError } from "../errors.ts";
import type { Configuration } from "../state/model.ts";

/**
 * Fails closed: without a database no country rule would ever match.
 *
 * @param hasDatabase whether a GeoIP database is configured @param path of the database with the rules
 * @throws ProxyError config
 */
export function requireCountries(configuration: Configuration, hasDatabase: boolean, path: string): void {
  if (hasDatabase || !configuration.firewallRules.some((rule) => rule.type === "country")) return;
  throw new ProxyError(
    "config",
    `the database "${path}" has country rules: [firewall] geoip_db must name a file`,
  );
}
