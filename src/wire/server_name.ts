/**
 * The one spelling of a server name: what a ClientHello carries and what a route is looked up by.
 *
 * @module
 */

/** Most characters of a name without its trailing dot (RFC 1035 §2.3.4, as text). */
const SERVER_NAME_CHARACTERS_MAX = 253;
/** Most characters between two dots (RFC 1035 §2.3.4). */
const SERVER_NAME_LABEL_CHARACTERS_MAX = 63;

const DOT = 0x2e;

/**
 * The canonical spelling of a host name: lower case, one trailing dot removed.
 *
 * Accepted is visible ASCII (0x21–0x7E) other than `*` and `:`, in labels of 1–63 characters, 253 in all.
 * Names are not held to letters, digits and hyphens: real names have underscores, and a name that no route has
 * is refused anyway. A `*` would look like a route's pattern, a `:` is an IPv6 address or a port.
 *
 * Bytes are read as ASCII. Internationalised names are punycode on the wire (RFC 6066 §3), so a byte or a
 * character from 0x80 up is refused, never converted.
 *
 * @param name the name as sent or as configured, with or without a trailing dot
 * @returns the canonical name, or `undefined` for what isn't one: empty, too long, an empty or too long label,
 * a control character, space, NUL, non-ASCII, or an IP literal (four numeric labels, or anything with a colon)
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(canonicalServerName("Git.Example.ORG."), "git.example.org");
 * assert.equal(canonicalServerName("192.0.2.1"), undefined);
 * ```
 */
export function canonicalServerName(name: string | Uint8Array): string | undefined {
  if (name.length > SERVER_NAME_CHARACTERS_MAX + 1) return undefined;
  const text = typeof name === "string" ? name : String.fromCharCode(...name);
  const length = text.charCodeAt(text.length - 1) === DOT ? text.length - 1 : text.length;
  if (length === 0 || length > SERVER_NAME_CHARACTERS_MAX) return undefined;

  let labelStart = 0;
  let labels = 1;
  let hasUpperCase = false;
  let numeric = true; // nothing but digits and dots
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code === DOT) {
      if (!isLabelLength(index - labelStart)) return undefined;
      labelStart = index + 1;
      labels++;
    } else if (code < 0x21 || code > 0x7e || code === 0x2a || code === 0x3a) {
      return undefined;
    } else if (code < 0x30 || code > 0x39) {
      numeric = false;
      if (code >= 0x41 && code <= 0x5a) hasUpperCase = true;
    }
  }
  if (!isLabelLength(length - labelStart)) return undefined;
  // No top-level domain is numeric, so out-of-range octets ("999.1.1.1") are no names either.
  if (numeric && labels === 4) return undefined;

  const withoutDot = length === text.length ? text : text.slice(0, length);
  return hasUpperCase ? withoutDot.toLowerCase() : withoutDot;
}

function isLabelLength(length: number): boolean {
  return length >= 1 && length <= SERVER_NAME_LABEL_CHARACTERS_MAX;
}
