/**
 * Kinds of values that name a peer: hostnames, addresses, ranges, countries, endpoints. All come out canonical.
 *
 * @module
 */

import { ADDRESS_OR_CIDR_WANTED } from "../policy/cidr.ts";
import { canonicalHostname, HOSTNAME_WANTED } from "../policy/hostname.ts";
import { canonicalRuleValue } from "../policy/rule_value.ts";
import {
  ENDPOINT_WANTED,
  formatEndpoint,
  LISTEN_ADDRESS_WANTED,
  parseEndpoint,
  parseListenAddress,
  UNIX_PREFIX,
} from "../state/listen_address.ts";
import type { Endpoint, FirewallRuleType } from "../state/model.ts";
import { type Kind, PATH } from "./key.ts";

/** A kind that is read from a text. */
function fromText<Value>(wanted: string, decode: (text: string) => Value | undefined): Kind<Value> {
  return { wanted, decode: (raw) => typeof raw === "string" ? decode(raw) : undefined };
}

/** The hostname of a route. */
export const HOSTNAME: Kind<string> = fromText(HOSTNAME_WANTED, canonicalHostname);

/** Where a listener listens. */
export const LISTEN_ADDRESS: Kind<Endpoint> = fromText(LISTEN_ADDRESS_WANTED, parseListenAddress);

/** Where a backend is. */
export const BACKEND: Kind<Endpoint> = fromText(ENDPOINT_WANTED, parseEndpoint);

/** What a firewall rule of a type matches. */
function ruleValue(type: FirewallRuleType): Kind<string> {
  const wantedOf = (text: string) => {
    const result = canonicalRuleValue(type, text);
    return result.kind === "invalid" ? result.wanted : "";
  };
  return {
    ...fromText(wantedOf(""), (text) => {
      const result = canonicalRuleValue(type, text);
      return result.kind === "value" ? result.value : undefined;
    }),
    wantedOf,
  };
}

/** The value of a firewall rule, by the rule's type. */
export const RULE_VALUES: Readonly<Record<FirewallRuleType, Kind<string>>> = {
  ip: ruleValue("ip"),
  cidr: ruleValue("cidr"),
  country: ruleValue("country"),
};

/** One address or a range; an address stays as it is. */
export const IP_OR_CIDR: Kind<string> = {
  wanted: ADDRESS_OR_CIDR_WANTED,
  decode: (raw, folder) => RULE_VALUES.ip.decode(raw, folder) ?? RULE_VALUES.cidr.decode(raw, folder),
  wantedOf: (text) => text.includes("/") ? RULE_VALUES.cidr.wantedOf!(text) : IP_OR_CIDR.wanted,
};

/** Where the admin API listens: `unix:/absolute/path` or `address:port`. */
export const GRPC_ADDRESS: Kind<string> = {
  wanted: 'a Unix socket such as "unix:admin.sock", or an address and port such as "127.0.0.1:9090"',
  decode: (raw, folder) => {
    if (typeof raw !== "string") return undefined;
    if (raw.startsWith(UNIX_PREFIX)) {
      const path = PATH.decode(raw.slice(UNIX_PREFIX.length), folder);
      return path === undefined || path === "" ? undefined : `${UNIX_PREFIX}${path}`;
    }
    const endpoint = parseListenAddress(raw);
    return endpoint === undefined ? undefined : formatEndpoint(endpoint);
  },
};
