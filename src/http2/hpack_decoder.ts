/**
 * HPACK decoding (RFC 7541 §3, §5, §6) into a field section.
 *
 * @module
 */

import { isFieldValue } from "../wire/http_fields.ts";
import { decodeLatin1 } from "../wire/latin1.ts";
import { fieldKind } from "./field_kind.ts";
import type { FieldSection } from "./field_section.ts";
import { DynamicTable, type HpackEntry, hpackEntry, STATIC_TABLE } from "./hpack_table.ts";
import { huffmanDecode, huffmanDecodedMax } from "./huffman.ts";

// No index, length or table size that this codec accepts is larger; keeps integers in 31 bits.
const INTEGER_MAX = 1 << 28;
const STATIC_COUNT = 61;
const FIRST_TABLE_BYTES = 4_096;
const NOTHING = new Uint8Array(0);

/** Decodes field blocks of one direction of one connection, in order. */
export class HpackDecoder {
  #table = new DynamicTable(FIRST_TABLE_BYTES);
  #maxTableBytes: number;
  #bytes: Uint8Array = NOTHING;
  #at = 0;
  #end = 0;
  #scratch: Uint8Array = new Uint8Array(256);
  #updateDue = false;

  /**
   * `announcedBytes`: the SETTINGS_HEADER_TABLE_SIZE that we announced. Until `acknowledged` the peer may go
   * on with the protocol's initial 4,096.
   */
  constructor(readonly announcedBytes: number) {
    this.#maxTableBytes = Math.max(announcedBytes, FIRST_TABLE_BYTES);
  }

  /**
   * The peer has acknowledged our SETTINGS: from here on the announced size is the limit, and where that took
   * something from the table the next block must begin with a size update (RFC 9113 §4.3.1).
   */
  acknowledged(): void {
    this.#maxTableBytes = this.announcedBytes;
    this.#updateDue = this.#table.maxSize > this.announcedBytes;
  }

  /** Size of the dynamic table now (RFC 7541 §4.1). */
  get tableBytes(): number {
    return this.#table.size;
  }

  /**
   * Decodes the whole field block `bytes[from..to)` and hands its fields to `section`. Returns an empty text,
   * or what is wrong with the block, which is a connection error COMPRESSION_ERROR (RFC 9113 §4.3).
   */
  decode(bytes: Uint8Array, from: number, to: number, section: FieldSection): string {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
    const reason = this.#decodeFields(section);
    this.#bytes = NOTHING;
    return reason;
  }

  #decodeFields(section: FieldSection): string {
    let sawField = false;
    while (this.#at < this.#end) {
      const first = this.#bytes[this.#at]!;
      if (this.#updateDue && (first & 0xe0) !== 0x20) {
        return "no table size update after SETTINGS made it smaller";
      }
      if (first >= 0x80) {
        const entry = this.#entry(this.#integer(0x7f));
        if (entry === undefined) return "an index beyond the tables";
        section.add(entry.kind, entry.name, entry.value, entry.legal, false);
      } else if (first >= 0x20 && first < 0x40) {
        const size = this.#integer(0x1f);
        if (sawField || size < 0 || size > this.#maxTableBytes) {
          return "a table size update out of place or range";
        }
        this.#table.resize(size);
        this.#updateDue = false;
        continue;
      } else {
        const reason = this.#literal(first, section);
        if (reason !== "") return reason;
      }
      sawField = true;
    }
    return "";
  }

  #literal(first: number, section: FieldSection): string {
    const indexed = first >= 0x40;
    const index = this.#integer(indexed ? 0x3f : 0x0f);
    if (!indexed && section.overLimit) return this.#skipLiteral(index, section);
    let name: string | undefined;
    let known: HpackEntry | undefined;
    if (index === 0) name = this.#string();
    else if ((known = this.#entry(index)) !== undefined) name = known.name;
    else return "an index beyond the tables";
    const value = this.#string();
    if (name === undefined || value === undefined) return "a string that is cut or badly coded";
    if (indexed) {
      const entry = hpackEntry(name, value);
      this.#table.insert(entry);
      section.add(entry.kind, entry.name, entry.value, entry.legal, false);
    } else {
      section.add(known?.kind ?? fieldKind(name), name, value, isFieldValue(value), first >= 0x10);
    }
    return "";
  }

  #skipLiteral(index: number, section: FieldSection): string {
    const nameBytes = index === 0 ? this.#skipString() : this.#entry(index)?.name.length ?? -1;
    const valueBytes = nameBytes < 0 ? -1 : this.#skipString();
    if (valueBytes < 0) return "a field that is cut or names no entry";
    section.skip(nameBytes + valueBytes);
    return "";
  }

  #entry(index: number): HpackEntry | undefined {
    if (index > STATIC_COUNT) return this.#table.get(index - STATIC_COUNT - 1);
    return index > 0 ? STATIC_TABLE[index - 1] : undefined;
  }

  /** An integer whose first byte has the given mask (RFC 7541 §5.1), or -1 when cut or over 2^28. */
  #integer(mask: number): number {
    let value = this.#bytes[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 28; shift += 7) {
      if (this.#at >= this.#end) return -1;
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > INTEGER_MAX) return -1;
      if (byte < 0x80) return value;
    }
    return -1;
  }

  #skipString(): number {
    if (this.#at >= this.#end) return -1;
    const length = this.#integer(0x7f);
    if (length < 0 || length > this.#end - this.#at) return -1;
    this.#at += length;
    return length;
  }

  #string(): string | undefined {
    if (this.#at >= this.#end) return undefined;
    const coded = this.#bytes[this.#at]! >= 0x80;
    const length = this.#skipString();
    if (length < 0) return undefined;
    if (!coded) return decodeLatin1(this.#bytes, this.#at - length, this.#at);
    const most = huffmanDecodedMax(length);
    if (most > this.#scratch.length) this.#scratch = new Uint8Array(most * 2);
    const decoded = huffmanDecode(this.#bytes, this.#at - length, this.#at, this.#scratch);
    return decoded < 0 ? undefined : decodeLatin1(this.#scratch, 0, decoded);
  }
}
