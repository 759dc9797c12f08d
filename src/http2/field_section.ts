/**
 * A field section while it is decoded: takes fields one by one, checks RFC 9113 §8.2 and §8.3 as they come,
 * and counts what they cost.
 *
 * @module
 */

import type { Fields } from "../wire/http_handler.ts";
import { NEVER_INDEXED_NONE } from "../wire/http_handler.ts";
import { isTeTrailers, parseContentLength } from "../wire/http_fields.ts";
import { FieldKind } from "./field_kind.ts";
import { ENTRY_OVERHEAD_BYTES } from "./hpack_table.ts";

/** Limits on one section. */
export interface SectionLimits {
  /** Size after RFC 9113 §6.5.2 (SETTINGS_MAX_HEADER_LIST_SIZE): names, values and 32 a field. */
  readonly maxHeaderBytes: number;
  /** Number of fields, pseudo-fields not counted. */
  readonly maxHeaderFields: number;
}

/** Pseudo-fields and fields of one section, and the first thing that was wrong with it. */
export class FieldSection {
  /** `:method`. */
  method: string | undefined;
  /** `:scheme`. */
  scheme: string | undefined;
  /** `:authority`. */
  authority: string | undefined;
  /** `:path`. */
  path: string | undefined;
  /** `:status`. */
  status: string | undefined;
  /** `:protocol` (RFC 8441). */
  protocol: string | undefined;
  /** Value of `host`, which is kept out of `fields`. */
  host: string | undefined;
  /** Declared length, -1 when none is. */
  contentLength: number = -1;
  /** Size so far; goes on counting beyond the limit, where nothing is kept any more. */
  size = 0;
  /** First reason for which the message is malformed; empty while it is well-formed. */
  malformed = "";
  /** Set when the fault could be a request hidden in a field, which costs the connection and not the stream. */
  smuggles = false;
  #fields: string[] = [];
  #neverIndexed: Set<string> | undefined;
  #sawField = false;
  #sawPseudo = false;

  /** An empty section under the given limits. */
  constructor(readonly limits: SectionLimits) {}

  /** Makes it empty again; arrays already given out stay the owner's. */
  clear(): void {
    this.method =
      this.scheme =
      this.authority =
      this.path =
        undefined;
    this.status = this.protocol = this.host = undefined;
    this.contentLength = -1;
    this.size = 0;
    this.malformed = "";
    this.smuggles = false;
    this.#fields = [];
    this.#neverIndexed = undefined;
    this.#sawField = this.#sawPseudo = false;
  }

  /** Fields other than pseudo-fields and `host`. */
  get fields(): Fields {
    return this.#fields;
  }

  /** Names that came never-indexed. */
  get neverIndexed(): ReadonlySet<string> {
    return this.#neverIndexed ?? NEVER_INDEXED_NONE;
  }

  /** Whether any pseudo-field was there, which trailers may not have. */
  get hasPseudo(): boolean {
    return this.#sawPseudo;
  }

  /** Whether the section passed one of its limits; what came beyond it was not kept. */
  get overLimit(): boolean {
    return this.size > this.limits.maxHeaderBytes || this.#fields.length > 2 * this.limits.maxHeaderFields;
  }

  /** Counts a field whose text was not even decoded. */
  skip(bytes: number): void {
    this.size += bytes + ENTRY_OVERHEAD_BYTES;
  }

  /** Takes one field. `legal`: the value passed `isFieldValue`. `never`: it came never-indexed. */
  add(kind: FieldKind, name: string, value: string, legal: boolean, never: boolean): void {
    this.size += name.length + value.length + ENTRY_OVERHEAD_BYTES;
    if (this.overLimit) return;
    if (!legal) this.#fault("a field value with a forbidden byte or a blank at an end", true);
    if (never) (this.#neverIndexed ??= new Set()).add(name);
    if (kind === FieldKind.REGULAR) {
      this.#sawField = true;
      this.#fields.push(name, value);
    } else if (kind <= FieldKind.PROTOCOL) this.#addPseudo(kind, value);
    else this.#addSpecial(kind, name, value);
  }

  #addPseudo(kind: FieldKind, value: string): void {
    if (this.#sawField) this.#fault("a pseudo-field after a field", false);
    this.#sawPseudo = true;
    const before = this.#replacePseudo(kind, value);
    if (before !== undefined) this.#fault("a pseudo-field twice", false);
  }

  #replacePseudo(kind: FieldKind, value: string): string | undefined {
    let before: string | undefined;
    if (kind === FieldKind.METHOD) {
      before = this.method;
      this.method = value;
    } else if (kind === FieldKind.SCHEME) {
      before = this.scheme;
      this.scheme = value;
    } else if (kind === FieldKind.AUTHORITY) {
      before = this.authority;
      this.authority = value;
    } else if (kind === FieldKind.PATH) {
      before = this.path;
      this.path = value;
    } else if (kind === FieldKind.STATUS) {
      before = this.status;
      this.status = value;
    } else {
      before = this.protocol;
      this.protocol = value;
    }
    return before;
  }

  #addSpecial(kind: FieldKind, name: string, value: string): void {
    this.#sawField = true;
    if (kind === FieldKind.HOST) {
      if (this.host !== undefined) this.#fault("host twice", true);
      this.host = value;
    } else if (kind === FieldKind.CONTENT_LENGTH) {
      const length = parseContentLength(value);
      if (length < 0 || this.contentLength >= 0) this.#fault("content-length twice or not a number", true);
      this.contentLength = length;
      this.#fields.push(name, value);
    } else if (kind === FieldKind.TE) {
      if (!isTeTrailers(value)) this.#fault("te other than trailers", false);
      this.#fields.push(name, value);
    } else if (kind === FieldKind.CONNECTION) this.#fault("a connection-specific field", false);
    else this.#fault("an invalid field name", kind === FieldKind.ILLEGAL);
  }

  #fault(reason: string, smuggles: boolean): void {
    if (this.malformed === "") this.malformed = reason;
    if (smuggles) this.smuggles = true;
  }
}
