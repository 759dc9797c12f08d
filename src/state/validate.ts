/**
 * What a configuration must be before a state is built from it; every mistake is found at once.
 *
 * @module
 */

import { canonicalHostname, DEFAULT_HOSTNAME, HOSTNAME_WANTED } from "../policy/hostname.ts";
import { canonicalRuleValue } from "../policy/rule_value.ts";
import { ADDRESS_OR_CIDR_WANTED, parseAddressOrCidr } from "../policy/cidr.ts";
import { isSameEndpoint, type Issue, quote, validateBackend, validateCount } from "./issue.ts";
import { LIMITS } from "./limits.ts";
import {
  addressesOverlap,
  formatEndpoint,
  LISTEN_ADDRESS_WANTED,
  parseListenAddress,
} from "./listen_address.ts";
import type { ConfigurationSeed, FirewallRule, ListenerSeed, Route, Seed } from "./model.ts";
import { validateL7 } from "./validate_l7.ts";

/** Most characters of a rule's comment. */
export const COMMENT_CHARACTERS_MAX = 200;
/** The last time that a rule may expire at, Unix ms: the end of what TOML and RFC 3339 can write. */
export const EXPIRES_MAX_MS: number = Date.UTC(9_999, 11, 31, 23, 59, 59, 999);
/** Most rules for one type and value: each match costs a connection all of them. */
export const RULES_PER_VALUE_MAX = 64;
/** Most entries of one listener's trusted proxies: a change of it, old and new, must fit a message to a worker. */
export const TRUSTED_PROXIES_MAX = 500;
const CONNECTIONS_MAX = LIMITS.maxConnections.max;

/**
 * Every mistake in a configuration, with or without ids: values that aren't canonical or out of range,
 * listeners whose addresses overlap, two routes with one hostname on a listener, what one option requires of
 * another.
 *
 * @returns the mistakes in the order of the file; empty = valid
 */
export function validateConfiguration(configuration: ConfigurationSeed): Issue[] {
  const rulesByValue = new Map<string, number>();
  return [
    ...configuration.listeners.flatMap((listener, index) =>
      validateListener(listener, `listeners[${index}]`)
    ),
    ...validateOverlaps(configuration.listeners),
    ...configuration.firewallRules.flatMap((rule, index) => {
      const path = `firewall.rules[${index}]`;
      const key = `${rule.type} ${rule.value}`;
      const count = (rulesByValue.get(key) ?? 0) + 1;
      rulesByValue.set(key, count);
      const issues = validateRule(rule, path);
      if (count === RULES_PER_VALUE_MAX + 1) {
        const wanted = `at most ${RULES_PER_VALUE_MAX} rules for one value`;
        issues.push({ path: `${path}.value`, wanted, got: `more for ${quote(rule.value)}` });
      }
      return issues;
    }),
  ];
}

/** Every mistake in one listener and its routes, but for what it shares with other listeners. */
export function validateListener(listener: ListenerSeed, path: string): Issue[] {
  const issues: Issue[] = [];
  const address = formatEndpoint(listener.address);
  if (!isSameEndpoint(listener.address, parseListenAddress(address))) {
    issues.push({ path: `${path}.addr`, wanted: LISTEN_ADDRESS_WANTED, got: quote(address) });
  }
  issues.push(...validateCount(listener.maxConnections, CONNECTIONS_MAX, `${path}.max_connections`));
  if (listener.proxyProtocol && listener.trustedProxies.length === 0) {
    const wanted = "the load balancers that may send PROXY headers, because proxy_protocol is true";
    issues.push({ path: `${path}.trusted_proxies`, wanted, got: "[]" });
  }
  if (listener.trustedProxies.length > TRUSTED_PROXIES_MAX) {
    const wanted = `at most ${TRUSTED_PROXIES_MAX} addresses and ranges`;
    issues.push({ path: `${path}.trusted_proxies`, wanted, got: `${listener.trustedProxies.length}` });
  }
  for (const [index, text] of listener.trustedProxies.entries()) {
    const range = parseAddressOrCidr(text);
    if (range?.text === text || range?.address.text === text) continue;
    issues.push({
      path: `${path}.trusted_proxies[${index}]`,
      wanted: ADDRESS_OR_CIDR_WANTED,
      got: quote(text),
    });
  }
  const indexByHostname = new Map<string, number>();
  for (const [index, route] of listener.routes.entries()) {
    const routePath = `${path}.routes[${index}]`;
    issues.push(...validateRoute(route, routePath));
    const first = indexByHostname.get(route.hostname);
    if (first === undefined) indexByHostname.set(route.hostname, index);
    else {
      const got = `${quote(route.hostname)}, the same as ${path}.routes[${first}]`;
      issues.push({ path: `${routePath}.hostname`, wanted: "a hostname once per listener", got });
    }
  }
  return issues;
}

/** Every mistake in one route by itself. */
export function validateRoute(route: Seed<Route>, path: string): Issue[] {
  const issues: Issue[] = [];
  if (canonicalHostname(route.hostname) !== route.hostname) {
    issues.push({ path: `${path}.hostname`, wanted: HOSTNAME_WANTED, got: quote(route.hostname) });
  }
  issues.push(...validateBackend(route.backend, `${path}.backend`));
  issues.push(...validateCount(route.maxConnections, CONNECTIONS_MAX, `${path}.max_connections`));
  if (route.idleTimeoutMs !== undefined) {
    issues.push(...validateCount(route.idleTimeoutMs, LIMITS.idleTimeoutMs.max, `${path}.idle_timeout`));
  }
  if ((route.mode === "l7") !== (route.l7 !== undefined)) {
    const wanted = route.mode === "l7"
      ? "tls_cert and tls_key, because mode is l7"
      : "no l7 options with mode l4";
    issues.push({ path: `${path}.mode`, wanted, got: quote(route.mode) });
  }
  if (route.l7 !== undefined) {
    issues.push(...validateL7(route.l7, route.hostname === DEFAULT_HOSTNAME, path));
  }
  return issues;
}

/** Every mistake in one firewall rule by itself. */
export function validateRule(rule: Seed<FirewallRule>, path: string): Issue[] {
  const issues: Issue[] = [];
  const parsed = canonicalRuleValue(rule.type, rule.value);
  if (parsed.kind === "invalid") {
    issues.push({ path: `${path}.value`, wanted: parsed.wanted, got: quote(rule.value) });
  } else if (parsed.value !== rule.value) {
    issues.push({
      path: `${path}.value`,
      wanted: `its canonical form ${quote(parsed.value)}`,
      got: quote(rule.value),
    });
  }
  const { expiresAtMs } = rule;
  const isTime = Number.isSafeInteger(expiresAtMs) && expiresAtMs! > 0 && expiresAtMs! <= EXPIRES_MAX_MS;
  if (expiresAtMs !== undefined && !isTime) {
    issues.push({
      path: `${path}.expires`,
      wanted: "a time after 1970, before 10000",
      got: String(expiresAtMs),
    });
  }
  if (rule.comment.length > COMMENT_CHARACTERS_MAX) {
    const got = `${rule.comment.length} characters`;
    issues.push({ path: `${path}.comment`, wanted: `at most ${COMMENT_CHARACTERS_MAX} characters`, got });
  }
  // deno-lint-ignore no-control-regex -- the TOML file, which an export is to be, refuses them, too
  if (/[\x00-\x1f\x7f]/.test(rule.comment)) {
    issues.push({ path: `${path}.comment`, wanted: "a text on one line", got: quote(rule.comment) });
  }
  return issues;
}

/** Listeners that would share a port silently. Each is named once, with the first that it overlaps. */
function validateOverlaps(listeners: readonly ListenerSeed[]): Issue[] {
  const issues: Issue[] = [];
  const indexesByPort = new Map<number, number[]>();
  for (const [index, { address }] of listeners.entries()) {
    const indexes = indexesByPort.get(address.port) ?? [];
    const first = indexes.find((other) => {
      const earlier = listeners[other];
      return earlier !== undefined && addressesOverlap(earlier.address, address);
    });
    if (first !== undefined) {
      const got = `${quote(formatEndpoint(address))}, which overlaps listeners[${first}]`;
      issues.push({
        path: `listeners[${index}].addr`,
        wanted: "an address that no other listener covers",
        got,
      });
    }
    indexesByPort.set(address.port, [...indexes, index]);
  }
  return issues;
}
