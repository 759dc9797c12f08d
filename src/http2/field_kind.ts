/**
 * What a field name means to the codec, worked out once when the name is read, not once a request.
 *
 * @module
 */

import { isConnectionField, isFieldName } from "../wire/http_fields.ts";

/** Kinds of field names; all that need no special care are REGULAR. */
export const FieldKind = {
  REGULAR: 0,
  METHOD: 1,
  SCHEME: 2,
  AUTHORITY: 3,
  PATH: 4,
  STATUS: 5,
  PROTOCOL: 6,
  HOST: 7,
  CONTENT_LENGTH: 8,
  TE: 9,
  /** Connection-specific: makes the message malformed. */
  CONNECTION: 10,
  /** An upper-case letter, or an unknown pseudo-field: malformed. */
  MALFORMED: 11,
  /** Bytes that no version allows in a name: malformed, and likely an attempt to smuggle. */
  ILLEGAL: 12,
} as const;

/** A value of {@linkcode FieldKind}. */
export type FieldKind = typeof FieldKind[keyof typeof FieldKind];

const KINDS: ReadonlyMap<string, FieldKind> = new Map<string, FieldKind>([
  [":method", FieldKind.METHOD],
  [":scheme", FieldKind.SCHEME],
  [":authority", FieldKind.AUTHORITY],
  [":path", FieldKind.PATH],
  [":status", FieldKind.STATUS],
  [":protocol", FieldKind.PROTOCOL],
  ["host", FieldKind.HOST],
  ["content-length", FieldKind.CONTENT_LENGTH],
  ["te", FieldKind.TE],
]);

/** The kind of a name as it was received. */
export function fieldKind(name: string): FieldKind {
  const known = KINDS.get(name);
  if (known !== undefined) return known;
  if (isFieldName(name)) return isConnectionField(name) ? FieldKind.CONNECTION : FieldKind.REGULAR;
  const bare = name.startsWith(":") ? name.slice(1) : name;
  return isFieldName(bare.toLowerCase()) ? FieldKind.MALFORMED : FieldKind.ILLEGAL;
}
