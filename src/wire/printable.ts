/**
 * Text that strangers had a part in, made safe to show: names in a hello, protocols, subjects of certificates,
 * comments.
 *
 * @module
 */

/** What steers a terminal, hides text or turns its direction: controls, format characters, line separators. */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * A text with its control characters written as JSON writes them, UTF-16 unit by unit. Inside a JSON string the value
 * stays the same.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * assert.equal(printable("a\u001b[2J\u202eb"), "a\\u001b[2J\\u202eb");
 * ```
 */
export function printable(text: string): string {
  return text.replace(CONTROLS, (found) => {
    const units = Array.from({ length: found.length }, (_, index) => found.charCodeAt(index));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
  });
}

/** The same of each line of a text that has its line feeds from us. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/** The same of a TOML file whose texts all stand in double quotes (TOML 1.0, basic strings): their values stay. */
export function printableToml(text: string): string {
  return text.replace(CONTROLS, (found) => {
    const point = found.codePointAt(0)!.toString(16);
    return found === "\n"
      ? found
      : found.length === 1
      ? `\\u${point.padStart(4, "0")}`
      : `\\U${point.padStart(8, "0")}`;
  });
}

/**
 * A value with every text in it {@linkcode printable}: what it is rendered from can't steer a terminal. Keys, numbers,
 * and arrays of bytes stay as they are.
 *
 * @param value a tree of plain values
 */
export function printableDeep<Value>(value: Value): Value {
  return printableUnknown(value) as Value;
}

function printableUnknown(value: unknown): unknown {
  if (typeof value === "string") return printable(value);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(printableUnknown);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, printableUnknown(inner)]));
}
