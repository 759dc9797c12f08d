/**
 * Hostnames of routes: an exact name, a wildcard, or the default.
 *
 * @module
 */

import { canonicalServerName } from "../wire/server_name.ts";

/** The hostname of the default route, which also serves hellos without a server name. */
export const DEFAULT_HOSTNAME = "*";

/** What a route's hostname may be, for error messages. */
export const HOSTNAME_WANTED = 'a DNS name in ASCII (punycode), "*.example.org", or "*"';

/**
 * The canonical spelling of a route's hostname.
 *
 * Stricter than a name in a hello: letters, digits, hyphens and underscores only, since a route nobody can
 * reach is a slip. `*.example.org` matches exactly one label before `example.org`; a `*` anywhere else is
 * refused.
 *
 * @param text the hostname as configured, any case, with or without a trailing dot
 * @returns lower case without trailing dot, or `undefined` for what isn't a hostname
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(canonicalHostname("*.Example.ORG."), "*.example.org");
 * assert.equal(canonicalHostname("a.*.org"), undefined);
 * ```
 */
export function canonicalHostname(text: string): string | undefined {
  if (text === DEFAULT_HOSTNAME) return text;
  const isWildcard = text.startsWith("*.");
  const name = canonicalServerName(isWildcard ? text.slice(2) : text);
  if (name === undefined || !/^[a-z0-9_.-]+$/.test(name)) return undefined;
  if (!isWildcard) return name;
  // The shortest name it could match, one character in the label, must itself be a legal name.
  return canonicalServerName(`x.${name}`) === undefined ? undefined : `*.${name}`;
}

/** The wildcard that would match a canonical name: `*.example.org` for `git.example.org`; absent for a single label. */
export function wildcardOf(name: string): string | undefined {
  const dotAt = name.indexOf(".");
  return dotAt < 0 ? undefined : `*${name.slice(dotAt)}`;
}
