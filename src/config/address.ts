/**
 * Kinds of values that name a peer: hostnames, addresses, ranges, countries, endpoints. All come out canonical.
 *
 * @module
 */

import { parseAddressOrCidr, parseCidr, parseNetwork } from "../policy/cidr.ts";
import { canonicalCountryCode, COUNTRY_WANTED } from "../policy/country_codes.ts";
import { canonicalHostname, HOSTNAME_WANTED } from "../policy/hostname.ts";
import { parseIpAddress } from "../policy/ip_address.ts";
import {
  ENDPOINT_WANTED,
  formatEndpoint,
  LISTEN_ADDRESS_WANTED,
  parseEndpoint,
  parseListenAddress,
} from "../state/listen_address.ts";
import type { Endpoint } from "../state/model.ts";
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

/** One address, without a zone. */
export const IP: Kind<string> = fromText(
  "an IP address",
  (text) => text.includes("%") ? undefined : parseIpAddress(text)?.text,
);

/** A range of addresses. */
export const CIDR: Kind<string> = {
  ...fromText(
    "a range of addresses without host bits, such as 10.0.0.0/8 or 2001:db8::/32",
    (text) => parseCidr(text)?.text,
  ),
  nearest: (raw) => typeof raw === "string" ? parseNetwork(raw)?.text : undefined,
};

/** One address or a range; an address stays as it is. */
export const IP_OR_CIDR: Kind<string> = {
  ...fromText(
    "an IP address or a range without host bits",
    (text) => text.includes("/") ? parseAddressOrCidr(text)?.text : IP.decode(text, ""),
  ),
  nearest: CIDR.nearest!,
};

/** A country. */
export const COUNTRY: Kind<string> = fromText(COUNTRY_WANTED, canonicalCountryCode);

const SOCKET_PREFIX = "unix:";

/** Where the admin API listens: `unix:/absolute/path` or `address:port`. */
export const GRPC_ADDRESS: Kind<string> = {
  wanted: 'a Unix socket such as "unix:admin.sock", or an address and port such as "127.0.0.1:9090"',
  decode: (raw, folder) => {
    if (typeof raw !== "string") return undefined;
    if (raw.startsWith(SOCKET_PREFIX)) {
      const path = PATH.decode(raw.slice(SOCKET_PREFIX.length), folder);
      return path === undefined || path === "" ? undefined : `${SOCKET_PREFIX}${path}`;
    }
    const endpoint = parseListenAddress(raw);
    return endpoint === undefined || endpoint.port === 0 ? undefined : formatEndpoint(endpoint);
  },
};
