/**
 * A configuration without the firewall rules whose time is over.
 *
 * @module
 */

import { isExpired } from "../policy/firewall.ts";
import type { Configuration } from "./model.ts";

/** The same without expired rules; the very same when there are none. @param nowMs Unix ms */
export function withoutExpired(configuration: Configuration, nowMs: number): Configuration {
  const firewallRules = configuration.firewallRules.filter((rule) => !isExpired(rule, nowMs));
  if (firewallRules.length === configuration.firewallRules.length) return configuration;
  return { ...configuration, firewallRules };
}
