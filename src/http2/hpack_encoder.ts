/**
 * HPACK encoding (RFC 7541 §6) into the output buffer.
 *
 * @module
 */

import { isConnectionField } from "../wire/http_fields.ts";
import { ENTRY_OVERHEAD_BYTES, STATIC_TABLE } from "./hpack_table.ts";
import { byteOf, huffmanEncode, huffmanLength } from "./huffman.ts";
import type { OutputBuffer } from "./output.ts";

/** How a name's fields are sent. */
const Policy = { INDEX: 0, LITERAL: 1, NEVER: 2 } as const;
type Policy = typeof Policy[keyof typeof Policy];

// A connection to a backend is shared by clients, and a table that holds one's secret answers another's guesses.
const NEVER = ["authorization", "proxy-authorization", "cookie", "set-cookie"];
// Differ from message to message: they would only push out what repeats.
const LITERAL = [
  ...[
    ":path",
    "age",
    "content-length",
    "content-range",
    "etag",
    "if-match",
    "if-modified-since",
    "if-none-match",
  ],
  ...["if-range", "if-unmodified-since", "last-modified", "location", "range", "retry-after", "forwarded"],
  ...["x-forwarded-for", "x-real-ip", "x-request-id", "traceparent", "tracestate", "grpc-timeout"],
];

/** A name of the static table: first index, and index by value. */
interface StaticName {
  readonly index: number;
  readonly values: ReadonlyMap<string, number>;
}

const STATIC_NAMES: ReadonlyMap<string, StaticName> = staticNames();
const POLICIES: ReadonlyMap<string, Policy> = new Map<string, Policy>([
  ...NEVER.map((name): [string, Policy] => [name, Policy.NEVER]),
  ...LITERAL.map((name): [string, Policy] => [name, Policy.LITERAL]),
]);
const STATIC_COUNT = STATIC_TABLE.length;

function staticNames(): Map<string, StaticName> {
  const names = new Map<string, { index: number; values: Map<string, number> }>();
  STATIC_TABLE.forEach(({ name, value }, at) => {
    const found = names.get(name) ?? { index: at + 1, values: new Map<string, number>() };
    names.set(name, found);
    if (value !== "") found.values.set(value, at + 1);
  });
  return names;
}

/** What the encoder knows of a name that the dynamic table holds; numbers count insertions from 1. */
interface DynamicName {
  newest: number;
  readonly values: Map<string, number>;
}

interface Inserted {
  readonly name: string;
  readonly value: string;
  readonly size: number;
}

/** Encodes field blocks of one direction of one connection, in order. */
export class HpackEncoder {
  #maxTableBytes: number;
  #tableBytes: number;
  #lowestTableBytes: number;
  #updateDue = false;
  #size = 0;
  #inserted = 0;
  #oldest = 1;
  #entries = new Map<number, Inserted>();
  #names = new Map<string, DynamicName>();

  /** `maxTableBytes`: the most that we keep, whatever the peer would allow. 0 = no dynamic table. */
  constructor(maxTableBytes: number) {
    this.#maxTableBytes = maxTableBytes;
    this.#tableBytes = 4_096;
    this.#lowestTableBytes = 4_096;
    this.setPeerTableBytes(4_096);
  }

  /** Applies the peer's SETTINGS_HEADER_TABLE_SIZE; the next block says so (RFC 7541 §4.2). */
  setPeerTableBytes(bytes: number): void {
    const size = Math.min(this.#maxTableBytes, bytes);
    if (size === this.#tableBytes) return;
    this.#tableBytes = size;
    this.#lowestTableBytes = this.#updateDue ? Math.min(this.#lowestTableBytes, size) : size;
    this.#updateDue = true;
    this.#evict(size);
  }

  /** Must stand before the first field of each block: writes the table size updates that are due. */
  begin(out: OutputBuffer): void {
    if (!this.#updateDue) return;
    this.#updateDue = false;
    out.reserve(16);
    if (this.#lowestTableBytes < this.#tableBytes) this.#integer(out, 0x20, 0x1f, this.#lowestTableBytes);
    this.#integer(out, 0x20, 0x1f, this.#tableBytes);
  }

  /**
   * Appends one field. `name` is lower case; text is one character a byte. `never`: send it never-indexed.
   * A field that speaks of one connection has no place in HTTP/2 and is left out (RFC 9113 §8.2.2).
   */
  field(out: OutputBuffer, name: string, value: string, never: boolean): void {
    const dynamic = this.#names.get(name);
    const fixed = STATIC_NAMES.get(name);
    if (!never) {
      const inserted = dynamic?.values.get(value);
      const index = inserted !== undefined ? this.#indexOf(inserted) : fixed?.values.get(value);
      if (index !== undefined) {
        out.reserve(8);
        this.#integer(out, 0x80, 0x7f, index);
        return;
      }
    }
    if (isConnectionField(name)) return;
    const policy = never ? Policy.NEVER : this.#policy(name, value);
    const nameIndex = fixed?.index ?? (dynamic === undefined ? 0 : this.#indexOf(dynamic.newest));
    out.reserve(name.length + value.length + 24);
    if (policy === Policy.INDEX) this.#integer(out, 0x40, 0x3f, nameIndex);
    else this.#integer(out, policy === Policy.NEVER ? 0x10 : 0, 0x0f, nameIndex);
    if (nameIndex === 0) this.#string(out, name);
    this.#string(out, value);
    if (policy === Policy.INDEX) this.#insert(name, value);
  }

  #policy(name: string, value: string): Policy {
    const policy = POLICIES.get(name);
    if (policy !== undefined) return policy;
    const size = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    return size > this.#tableBytes >> 2 ? Policy.LITERAL : Policy.INDEX;
  }

  #indexOf(inserted: number): number {
    return STATIC_COUNT + 1 + this.#inserted - inserted;
  }

  #insert(name: string, value: string): void {
    const size = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.#evict(this.#tableBytes - size);
    const number = ++this.#inserted;
    this.#size += size;
    this.#entries.set(number, { name, value, size });
    const known = this.#names.get(name);
    if (known === undefined) this.#names.set(name, { newest: number, values: new Map([[value, number]]) });
    else {
      known.newest = number;
      known.values.set(value, number);
    }
  }

  #evict(target: number): void {
    while (this.#size > target && this.#oldest <= this.#inserted) {
      const { name, value, size } = this.#entries.get(this.#oldest)!;
      this.#entries.delete(this.#oldest);
      this.#size -= size;
      const known = this.#names.get(name)!;
      if (known.values.get(value) === this.#oldest) known.values.delete(value);
      if (known.newest === this.#oldest) this.#names.delete(name);
      this.#oldest++;
    }
  }

  #integer(out: OutputBuffer, pattern: number, mask: number, value: number): void {
    const bytes = out.bytes;
    if (value < mask) {
      bytes[out.end++] = pattern | value;
      return;
    }
    bytes[out.end++] = pattern | mask;
    let rest = value - mask;
    while (rest >= 0x80) {
      bytes[out.end++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[out.end++] = rest;
  }

  #string(out: OutputBuffer, text: string): void {
    const coded = huffmanLength(text);
    if (coded < text.length) {
      this.#integer(out, 0x80, 0x7f, coded);
      out.end = huffmanEncode(text, out.bytes, out.end);
      return;
    }
    this.#integer(out, 0, 0x7f, text.length);
    const { bytes, end } = out;
    for (let index = 0; index < text.length; index++) bytes[end + index] = byteOf(text, index);
    out.end = end + text.length;
  }
}
