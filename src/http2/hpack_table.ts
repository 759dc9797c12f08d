/**
 * HPACK's two tables (RFC 7541 §2.3): the static one of Appendix A, and the dynamic one as a ring.
 *
 * @module
 */

import { isFieldValue } from "../wire/http_fields.ts";
import { type FieldKind, fieldKind } from "./field_kind.ts";

/** What an entry counts beyond its text (RFC 7541 §4.1). */
export const ENTRY_OVERHEAD_BYTES = 32;

/** One field of a table, with what validation found when it came in. */
export interface HpackEntry {
  /** As received, whether legal or not. */
  readonly name: string;
  /** As received, whether legal or not. */
  readonly value: string;
  /** What the name means to the codec. */
  readonly kind: FieldKind;
  /** Whether the value is a legal field value. */
  readonly legal: boolean;
  /** Size after RFC 7541 §4.1. */
  readonly size: number;
}

/** An entry with everything worked out. */
export function hpackEntry(name: string, value: string): HpackEntry {
  const size = name.length + value.length + ENTRY_OVERHEAD_BYTES;
  return { name, value, kind: fieldKind(name), legal: isFieldValue(value), size };
}

const WITH_VALUES =
  ":authority=|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|" +
  ":status=200|:status=204|:status=206|:status=304|:status=400|:status=404|:status=500|accept-charset=|" +
  "accept-encoding=gzip, deflate";
const NAMES_ONLY =
  "accept-language accept-ranges accept access-control-allow-origin age allow authorization " +
  "cache-control content-disposition content-encoding content-language content-length content-location " +
  "content-range content-type cookie date etag expect expires from host if-match if-modified-since " +
  "if-none-match if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate " +
  "proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security " +
  "transfer-encoding user-agent vary via www-authenticate";

/** The static table; index 1 is `STATIC_TABLE[0]`. */
export const STATIC_TABLE: readonly HpackEntry[] = [
  ...WITH_VALUES.split("|").map((pair) => {
    const at = pair.indexOf("=");
    return hpackEntry(pair.slice(0, at), pair.slice(at + 1));
  }),
  ...NAMES_ONLY.split(" ").map((name) => hpackEntry(name, "")),
];

/** The dynamic table: newest first, evicting from the old end (RFC 7541 §4). */
export class DynamicTable {
  /** Sum of the entries' sizes. */
  size = 0;
  /** Entries held. */
  count = 0;
  #ring: (HpackEntry | undefined)[] = [];
  #head = 0;

  /** An empty table that holds `maxSize` bytes at most. */
  constructor(public maxSize: number) {}

  /** Entry by age, 0 = newest; `undefined` beyond the end. */
  get(age: number): HpackEntry | undefined {
    if (age >= this.count) return undefined;
    return this.#ring[(this.#head + age) & (this.#ring.length - 1)];
  }

  /** Puts an entry in front; one that is larger than the table only empties it (RFC 7541 §4.4). */
  insert(entry: HpackEntry): void {
    this.#evict(this.maxSize - entry.size);
    if (entry.size > this.maxSize) return;
    if (this.count === this.#ring.length) this.#grow();
    this.#head = (this.#head - 1) & (this.#ring.length - 1);
    this.#ring[this.#head] = entry;
    this.count++;
    this.size += entry.size;
  }

  /** Changes the limit, evicting what no longer fits. */
  resize(maxSize: number): void {
    this.maxSize = maxSize;
    this.#evict(maxSize);
  }

  #evict(target: number): void {
    while (this.size > target && this.count > 0) {
      const slot = (this.#head + --this.count) & (this.#ring.length - 1);
      this.size -= this.#ring[slot]!.size;
      this.#ring[slot] = undefined;
    }
  }

  #grow(): void {
    const grown: (HpackEntry | undefined)[] = new Array(Math.max(16, this.#ring.length * 2)).fill(undefined);
    for (let age = 0; age < this.count; age++) grown[age] = this.get(age);
    this.#ring = grown;
    this.#head = 0;
  }
}
