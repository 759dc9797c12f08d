/**
 * A proxy with one of every kind of rule and route, and connections to it of every kind.
 *
 * @module
 */

import { clientHello, latin1 } from "../support/client_hello.ts";
import { countryDatabase } from "../support/country_database.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { ADMIN_SOCKET } from "./admin_api.ts";
import type { Site } from "./l7_site.ts";

/** Nobody listens there: a connection that is routed ends with `dial_failed`. */
export const CLOSED = "127.0.0.1:1";
const ACME = ["acme-tls/1"];

/** One connection and what becomes of it. */
export interface Row {
  readonly name: string;
  /** Default 127.0.0.1. */
  readonly client?: string;
  /** Index of the listener. Default 0. */
  readonly listener?: number;
  /** Absent = none. */
  readonly serverName?: string;
  readonly alpn?: readonly string[];
  /** What is sent in place of the hello with that name, which Explain gets as bytes alone. */
  readonly hello?: Uint8Array;
  /** `route`, `acme` or the reason. */
  readonly expected: string;
}

/** Connections to the scene. */
export const ROWS: readonly Row[] = [
  { name: "a blocked IP", client: "127.0.0.2", serverName: "a.test", expected: "blocked_ip" },
  { name: "a blocked range", client: "127.0.1.1", serverName: "a.test", expected: "blocked_cidr" },
  { name: "a blocked country", client: "127.1.2.3", serverName: "a.test", expected: "blocked_country" },
  { name: "a country that isn't blocked", client: "127.2.2.3", serverName: "a.test", expected: "route" },
  { name: "an IP allowed in a blocked range", client: "127.0.1.7", serverName: "a.test", expected: "route" },
  { name: "a shadow rule", client: "127.0.0.3", serverName: "a.test", expected: "route" },
  {
    name: "a shadow rule before a block",
    client: "127.0.1.9",
    serverName: "a.test",
    expected: "blocked_cidr",
  },
  { name: "an expired rule", client: "127.0.0.4", serverName: "a.test", expected: "route" },
  {
    name: "a blocked client whose hello is malformed",
    client: "127.0.0.2",
    hello: latin1("GET /"),
    expected: "blocked_ip",
  },
  { name: "a route at layer 4", serverName: "a.test", expected: "route" },
  { name: "a name in capitals with a dot", serverName: "A.Test.", expected: "route" },
  { name: "a wildcard", serverName: "x.wild.test", expected: "route" },
  { name: "two labels under a wildcard", serverName: "x.y.wild.test", expected: "unknown_name" },
  { name: "an exact name under a wildcard", serverName: "exact.wild.test", expected: "route" },
  { name: "an unknown name", serverName: "x.test", expected: "unknown_name" },
  { name: "a disabled route", serverName: "off.test", expected: "unknown_name" },
  { name: "no name", expected: "no_name" },
  { name: "a full route", serverName: "full.test", expected: "over_limit" },
  { name: "no TLS", hello: latin1("GET / HTTP/1.1\r\n\r\n"), expected: "not_tls" },
  { name: "an IP literal", hello: clientHello({ serverName: "192.0.2.1" }), expected: "hello_malformed" },
  {
    name: "a hello that is too large",
    hello: clientHello({ serverName: "a.test", paddingBytes: 20_000 }),
    expected: "hello_too_large",
  },
  { name: "a garbled hello", hello: garbled(), expected: "hello_malformed" },
  { name: "a challenge at layer 4", serverName: "a.test", alpn: ACME, expected: "route" },
  { name: "a challenge to a route that takes none", serverName: "h2c.test", alpn: ACME, expected: "no_alpn" },
  { name: "a challenge to its own backend", serverName: "other.test", alpn: ACME, expected: "acme" },
  {
    name: "a challenge among other protocols",
    serverName: "other.test",
    alpn: ["h2", ...ACME],
    expected: "route",
  },
  { name: "a route at layer 7", serverName: "h2c.test", alpn: ["h2"], expected: "route" },
  { name: "a route at layer 7 without ALPN", serverName: "h2c.test", expected: "route" },
  { name: "no protocol of ours", serverName: "h2c.test", alpn: ["spdy/3"], expected: "no_alpn" },
  {
    name: "a route without certificate",
    serverName: "h1.test",
    alpn: ["h2"],
    expected: "certificate_unusable",
  },
  { name: "a declared address", listener: 1, client: "127.0.0.9", serverName: "x.test", expected: "route" },
  { name: "a declared address without a name", listener: 1, client: "2001:db8::9", expected: "route" },
  {
    name: "a declared address that is blocked",
    listener: 1,
    client: "127.0.0.2",
    serverName: "x.test",
    expected: "blocked_ip",
  },
  {
    name: "a declared IPv6 range that is blocked",
    listener: 1,
    client: "2001:db8:1::9",
    serverName: "x.test",
    expected: "blocked_cidr",
  },
];

/** A hello whose last length says more than there is. */
function garbled(): Uint8Array {
  const hello = clientHello({ serverName: "a.test" });
  hello[5 + 4 + 2 + 32] = 0xff;
  return hello;
}

/** What a row sends. */
export function helloOf({ hello, serverName, alpn }: Row): Uint8Array {
  return hello ??
    clientHello({ ...(serverName !== undefined && { serverName }), ...(alpn !== undefined && { alpn }) });
}

/** Starts it. @param echo a backend that stays open */
export async function startScene(
  site: Site,
  echo: string,
): Promise<Proxy> {
  const { folder } = site;
  const geoip = `${folder}/country.mmdb`;
  await Deno.writeFile(geoip, countryDatabase({ "127.1.0.0/16": "DE", "127.2.0.0/16": "FR" }));
  const broken = `${folder}/broken.pem`;
  await Deno.writeTextFile(broken, "no certificate");
  return await startProxy({
    listeners: [
      {
        routes: [
          { hostname: "a.test", backend: CLOSED },
          { hostname: "*.wild.test", backend: CLOSED },
          { hostname: "exact.wild.test", backend: "127.0.0.1:2" },
          { hostname: "off.test", backend: CLOSED, enabled: false },
          { hostname: "full.test", backend: echo, max_connections: 1 },
          site.route("h2c.test", site.clear),
          site.route("other.test", site.clear, { acme_backend: CLOSED }),
          { ...site.route("h1.test", site.clear), tls_cert: broken },
        ],
      },
      { proxy_protocol: true, trusted_proxies: ["127.0.0.1"], routes: [{ hostname: "*", backend: CLOSED }] },
    ],
    firewall: {
      geoip_db: geoip,
      rules: [
        { type: "ip", value: "127.0.0.2" },
        { type: "cidr", value: "127.0.1.0/24" },
        { type: "ip", value: "127.0.1.7", action: "allow" },
        { type: "ip", value: "127.0.0.3", mode: "shadow" },
        { type: "ip", value: "127.0.1.9", mode: "shadow", action: "allow" },
        { type: "cidr", value: "2001:db8:1::/48" },
        { type: "country", value: "DE" },
        { type: "country", value: "FR", mode: "shadow" },
      ],
    },
    http: { tls_handshake_timeout: "500ms" },
    grpc: ADMIN_SOCKET,
    proxy: { workers: 1 },
  });
}
