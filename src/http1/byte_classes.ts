/**
 * The field rules of `wire/http_fields.ts` as lookup tables over bytes.
 *
 * @module
 */

import { isFieldValue, isToken } from "../wire/http_fields.ts";

/** Class of an ASCII byte that may stand in a field value: VCHAR, SP, HTAB. */
export const ASCII_TEXT = 1;
/** Class of obs-text (0x80–0xFF), which may stand in a field value too. */
export const OBS_TEXT = 2;

/** 1 for each byte of a token (tchar, RFC 9110 §5.6.2), 0 for all others. */
export const FIELD_NAME_BYTE: Uint8Array = table((_byte, text) => isToken(text) ? 1 : 0);

/** {@linkcode ASCII_TEXT} or {@linkcode OBS_TEXT} for each byte of a field value (RFC 9110 §5.5), 0 for all others. */
export const FIELD_VALUE_BYTE: Uint8Array = table((byte, text) => {
  if (!isFieldValue(`x${text}x`)) return 0;
  return byte >= 0x80 ? OBS_TEXT : ASCII_TEXT;
});

/** 1 for each visible ASCII byte: what a target and an authority may be written with, 0 for all others. */
export const VISIBLE_BYTE: Uint8Array = table((byte) => byte > 0x20 && byte < 0x7f ? 1 : 0);

/** The value of each hexadecimal digit, 255 for all other bytes. */
export const HEX_VALUE: Uint8Array = table((byte) => {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : 255;
});

function table(classOf: (byte: number, text: string) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => classOf(byte, String.fromCharCode(byte)));
}
