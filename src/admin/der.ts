/**
 * The parts of a certificate, read from its DER (RFC 5280 §4.1). This runtime's `X509Certificate` gives its names as
 * text, in which a name can pretend to be several.
 *
 * @module
 */

/** One element of DER (X.690 §8.1). */
export interface Element {
  /** First byte. */
  readonly tag: number;
  /** What it holds; a view. */
  readonly content: Uint8Array;
}

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
const OCTET_STRING = 0x04;
/** `[0] EXPLICIT Version` of a TBSCertificate, which may be left out. */
const VERSION = 0xa0;
/** `[3] EXPLICIT Extensions`. */
const EXTENSIONS = 0xa3;
/** What stands before the subject: serial number, signature, issuer, validity. */
const BEFORE_SUBJECT = 4;

/** The elements that follow each other in `bytes`; `undefined` unless they fill it exactly. */
export function elementsOf(bytes: Uint8Array): Element[] | undefined {
  const elements: Element[] = [];
  for (let at = 0; at < bytes.length;) {
    const tag = bytes[at]!;
    let length = bytes[at + 1] ?? Infinity;
    let start = at + 2;
    if (length >= 0x80 && length !== Infinity) {
      const count = length - 0x80;
      if (count === 0 || count > 4) return undefined;
      length = 0;
      for (let index = 0; index < count; index++) length = length * 256 + (bytes[start + index] ?? Infinity);
      start += count;
    }
    if (start + length > bytes.length) return undefined;
    elements.push({ tag, content: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return elements;
}

/** An object identifier's content as hex, such as `55 04 03`. */
export function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** One type and value of a subject. */
export interface NameAttribute {
  /** The type's object identifier, as {@linkcode hex} writes it. */
  readonly type: string;
  /** The value, a string of some kind. */
  readonly value: Element;
}

/** The subject's types and values in their order. @param der a whole certificate; `undefined` = it can't be read */
export function subjectAttributes(der: Uint8Array): NameAttribute[] | undefined {
  const fields = fieldsOf(der);
  const subject = fields?.[BEFORE_SUBJECT + (fields[0]?.tag === VERSION ? 1 : 0)];
  const sets = subject?.tag === SEQUENCE ? elementsOf(subject.content) : undefined;
  if (sets === undefined) return undefined;
  const attributes: NameAttribute[] = [];
  for (const set of sets) {
    const members = elementsOf(set.content);
    if (members === undefined) return undefined;
    for (const { content } of members) {
      const [type, value, ...others] = elementsOf(content) ?? [];
      if (type?.tag !== OBJECT_IDENTIFIER || value === undefined || others.length > 0) return undefined;
      attributes.push({ type: hex(type.content), value });
    }
  }
  return attributes;
}

/**
 * The elements in the sequence that an extension is.
 *
 * @param der a whole certificate
 * @param identifier the extension's object identifier, as {@linkcode hex} writes it
 * @returns `none` when the certificate has no such extension, `undefined` when it can't be read or has it twice
 */
export function extensionElements(der: Uint8Array, identifier: string): Element[] | "none" | undefined {
  const fields = fieldsOf(der);
  if (fields === undefined) return undefined;
  const wrapper = fields.find(({ tag }) => tag === EXTENSIONS);
  if (wrapper === undefined) return "none";
  const list = elementsOf(wrapper.content)?.[0];
  const extensions = list && elementsOf(list.content);
  if (extensions === undefined) return undefined;
  let found: Element | undefined;
  for (const extension of extensions) {
    const parts = extension.tag === SEQUENCE ? elementsOf(extension.content) : undefined;
    const [name, value] = [parts?.[0], parts?.at(-1)];
    if (name?.tag !== OBJECT_IDENTIFIER || value === undefined) return undefined;
    if (hex(name.content) !== identifier) continue;
    if (found !== undefined || value.tag !== OCTET_STRING) return undefined;
    found = value;
  }
  if (found === undefined) return "none";
  const sequence = elementsOf(found.content)?.[0];
  return sequence?.tag === SEQUENCE ? elementsOf(sequence.content) : undefined;
}

function fieldsOf(der: Uint8Array): Element[] | undefined {
  const certificate = elementsOf(der)?.[0];
  const toBeSigned = certificate && elementsOf(certificate.content)?.[0];
  return toBeSigned && elementsOf(toBeSigned.content);
}
