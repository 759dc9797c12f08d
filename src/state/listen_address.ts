/**
 * Endpoints as text, and what it means for two listening addresses to overlap.
 *
 * @module
 */

import { parseIpAddress } from "../policy/ip_address.ts";
import { canonicalServerName } from "../wire/server_name.ts";
import type { Endpoint } from "./model.ts";

/** What a listener's address may be, for error messages. */
export const LISTEN_ADDRESS_WANTED =
  'an IP address and port such as "0.0.0.0:443", "[::]:443" or ":443" (every IPv4 and IPv6 address)';
/** What a backend's address may be, for error messages. */
export const ENDPOINT_WANTED = 'host:port, such as "127.0.0.1:8443", "[::1]:8443" or "app.internal:8443"';

/** What the admin API's address begins with when it is a Unix socket; the socket's path follows. */
export const UNIX_PREFIX = "unix:";

const PORT_MAX = 65_535;
/** The wildcard of IPv6, which on Linux takes IPv4 connections too (ipv6(7), bindv6only = 0). */
const EVERY_ADDRESS = "::";
const EVERY_IPV4_ADDRESS = "0.0.0.0";

/**
 * Parses a listener's address to its canonical form, which is the listener's identity.
 *
 * The host is an IP address (IPv6 in brackets, no zone), never a name. An absent host (`:443`) and `[::]` are
 * the same: every address of both families. `0.0.0.0` is every IPv4 address only. The port is 1–65535: with 0 each
 * worker would get another one.
 *
 * @returns the address, or `undefined` for anything else; never throws
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.deepEqual(parseListenAddress(":443"), { host: "::", port: 443 });
 * assert.equal(parseListenAddress("localhost:443"), undefined);
 * ```
 */
export function parseListenAddress(text: string): Endpoint | undefined {
  const parts = splitHostPort(text);
  if (parts === undefined) return undefined;
  const host = parts.host === "" ? EVERY_ADDRESS : parseIpAddress(parts.host)?.text;
  return host === undefined ? undefined : { host, port: parts.port };
}

/**
 * Parses a backend's address: an IP address (IPv6 in brackets, no zone) or a DNS name in letters, digits,
 * hyphens and underscores, and a port 1–65535.
 *
 * @returns the canonical endpoint, or `undefined` for anything else; never throws
 */
export function parseEndpoint(text: string): Endpoint | undefined {
  const parts = splitHostPort(text);
  if (parts === undefined) return undefined;
  const host = parseIpAddress(parts.host)?.text ?? canonicalBackendName(parts.host);
  return host === undefined ? undefined : { host, port: parts.port };
}

function canonicalBackendName(text: string): string | undefined {
  const name = canonicalServerName(text);
  return name !== undefined && /^[a-z0-9_.-]+$/.test(name) ? name : undefined;
}

/** Formats an endpoint, IPv6 in brackets: `parseEndpoint(formatEndpoint(e))` is `e` for a canonical one. */
export function formatEndpoint(endpoint: Endpoint): string {
  return endpoint.host.includes(":")
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
}

/** Splits at the last colon; brackets stand around IPv6 and around nothing else. */
function splitHostPort(text: string): { host: string; port: number } | undefined {
  const colonAt = text.lastIndexOf(":");
  if (colonAt < 0 || text.includes("%")) return undefined;
  const portText = text.slice(colonAt + 1);
  if (!/^[1-9][0-9]{0,4}$/.test(portText)) return undefined;
  const port = Number(portText);
  if (port > PORT_MAX) return undefined;
  const hostText = text.slice(0, colonAt);
  const isBracketed = hostText.startsWith("[") && hostText.endsWith("]");
  if (!isBracketed) return hostText.includes(":") ? undefined : { host: hostText, port };
  const host = hostText.slice(1, -1);
  return host.includes(":") ? { host, port } : undefined;
}

/**
 * Whether two canonical listening addresses would share a port: the same address, or a wildcard over the other.
 * The kernel would let them (reusePort), and give each a part of the connections.
 */
export function addressesOverlap(left: Endpoint, right: Endpoint): boolean {
  if (left.port !== right.port) return false;
  if (left.host === right.host) return true;
  return isOver(left.host, right.host) || isOver(right.host, left.host);
}

function isOver(wildcard: string, host: string): boolean {
  return wildcard === EVERY_ADDRESS || (wildcard === EVERY_IPV4_ADDRESS && !host.includes(":"));
}
