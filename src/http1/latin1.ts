/**
 * Bytes ↔ strings of Latin-1 code units: byte n is code unit n, so that every field value comes back byte-exact.
 *
 * @module
 */

const ASCII_DECODER = new TextDecoder();
/** `apply` puts its arguments on the stack, which is limited. */
const APPLY_BYTES_MAX = 4096;

/**
 * Decodes each byte as the code unit of the same number. (A `TextDecoder("latin1")` would decode Windows-1252.)
 *
 * @param isAscii that all bytes are known to be below 0x80, which is ten times as fast
 */
export function decodeLatin1(bytes: Uint8Array, isAscii = false): string {
  if (isAscii) return ASCII_DECODER.decode(bytes);
  let text = "";
  for (let at = 0; at < bytes.length; at += APPLY_BYTES_MAX) {
    const part = bytes.subarray(at, at + APPLY_BYTES_MAX);
    text += String.fromCharCode.apply(null, part as unknown as number[]);
  }
  return text;
}
