/**
 * Who a certificate says its holder is: names to compare, and one line to write down.
 *
 * @module
 */

import { ipv4Address, ipv6Address } from "../policy/ip_address.ts";
import { type Element, extensionElements, hex, type NameAttribute, subjectAttributes } from "./der.ts";

/** id-ce-subjectAltName, 2.5.29.17. */
const ALTERNATIVE_NAME = "55 1d 11";
/** id-at-commonName, 2.5.4.3. */
const COMMON_NAME = "55 04 03";
/** Attribute types with a name of their own (RFC 4514 §3); others are written as `OID.` and hex. */
const ATTRIBUTE_NAMES: ReadonlyMap<string, string> = new Map([
  [COMMON_NAME, "CN"],
  ["55 04 06", "C"],
  ["55 04 07", "L"],
  ["55 04 08", "ST"],
  ["55 04 0a", "O"],
  ["55 04 0b", "OU"],
  ["09 92 26 89 93 f2 2c 64 01 19", "DC"],
  ["09 92 26 89 93 f2 2c 64 01 01", "UID"],
]);
/** UTF8String, PrintableString, IA5String: the strings that RFC 5280 §4.1.2.4 lets new certificates have. */
const TEXT_TAGS: readonly number[] = [0x0c, 0x13, 0x16];
const EMAIL = 0x81;
const DNS = 0x82;
const URI = 0x86;
const ADDRESS = 0x87;
const SUBJECT_LENGTH_MAX = 256;

/**
 * The subject alternative names of the kinds dNSName, URI, rfc822Name and iPAddress, then the common names; each as it is written.
 *
 * @param der a whole certificate
 * @returns `undefined` when it can't be read
 */
export function certificateNames(der: Uint8Array): readonly string[] | undefined {
  const alternatives = extensionElements(der, ALTERNATIVE_NAME);
  const attributes = subjectAttributes(der);
  if (alternatives === undefined || attributes === undefined) return undefined;
  return [
    ...alternatives === "none" ? [] : alternatives.map(alternativeName),
    ...attributes.filter(({ type }) => type === COMMON_NAME).map(({ value }) => textOf(value)),
  ].filter((name): name is string => name !== undefined && name !== "");
}

/** The subject on one line, its order kept, special characters escaped as in RFC 4514 §2.4; cut after 256 characters. */
export function subjectLine(der: Uint8Array): string {
  const attributes = subjectAttributes(der) ?? [];
  if (attributes.length === 0) return "(no subject)";
  const line = attributes.map(attributeText).join(",");
  return line.length <= SUBJECT_LENGTH_MAX ? line : `${line.slice(0, SUBJECT_LENGTH_MAX)}…`;
}

function alternativeName({ tag, content }: Element): string | undefined {
  if (tag === ADDRESS) return addressText(content);
  if (tag !== EMAIL && tag !== DNS && tag !== URI) return undefined;
  if (content.some((byte) => byte < 0x21 || byte > 0x7e)) return undefined;
  return String.fromCharCode(...content);
}

function addressText(content: Uint8Array): string | undefined {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  if (content.length === 4) return ipv4Address(view.getUint32(0)).text;
  if (content.length !== 16) return undefined;
  return ipv6Address(view.getUint32(0), view.getUint32(4), view.getUint32(8), view.getUint32(12)).text;
}

function attributeText({ type, value }: NameAttribute): string {
  const text = textOf(value);
  const shown = text === undefined ? `#${hex(value.content).replaceAll(" ", "")}` : escaped(text);
  return `${ATTRIBUTE_NAMES.get(type) ?? `OID.${type.replaceAll(" ", "")}`}=${shown}`;
}

function textOf({ tag, content }: Element): string | undefined {
  if (!TEXT_TAGS.includes(tag)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return undefined;
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[",+;<=>\\]/g, (special) => `\\${special}`).replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (control) =>
      [...new TextEncoder().encode(control)].map((byte) => `\\${hex(Uint8Array.of(byte))}`).join(""),
  );
}
