/**
 * What one key of the TOML file may hold: its kind, its default, and how its value is read.
 *
 * @module
 */

import type { LimitRow } from "../state/limits.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { resolvePath } from "./file_path.ts";

/** How the value of a key, or one item of its list, is read. */
export interface Kind<Value> {
  /** What is legal, as the end of "wanted …". */
  readonly wanted: string;
  /**
   * Reads one value.
   *
   * @param raw as the TOML parser gave it: whole numbers are bigint, fractions are number
   * @param folder absolute path of the TOML file's folder
   * @returns undefined when the value is not legal
   */
  readonly decode: (raw: unknown, folder: string) => Value | undefined;
  /** What to say instead of `wanted` of one illegal text; absent = `wanted`. */
  readonly wantedOf?: (text: string) => string;
}

/** A key with one value. */
export interface ScalarKey<Value> extends Kind<Value> {
  /** Tells the two sorts of keys apart. */
  readonly list: false;
  /** A file without this key, in a section that it has, is a mistake. */
  readonly required: boolean;
  /** The value of an absent key; undefined = absent means something of its own. */
  readonly default: Value;
  /** The default as an operator would write it; `required` or `none` when there is none. */
  readonly defaultText: string;
}

/** A key with a list; its default is the empty list. */
export interface ListKey<Item> {
  /** Tells the two sorts of keys apart. */
  readonly list: true;
  /** What every item is. */
  readonly item: Kind<Item>;
  /** The default as an operator would write it. */
  readonly defaultText: "[]";
}

/** Any key. */
// deno-lint-ignore no-explicit-any -- a key of any value
export type Key = ScalarKey<any> | ListKey<any>;

/** The values of a section's keys. */
export type Values<Section extends Record<string, Key>> = {
  readonly [Name in keyof Section]: Section[Name] extends ScalarKey<infer Value> ? Value
    : Section[Name] extends ListKey<infer Item> ? readonly Item[]
    : never;
};

/** true or false. */
export const FLAG: Kind<boolean> = {
  wanted: "true or false",
  decode: (raw) => typeof raw === "boolean" ? raw : undefined,
};

/** Any text on one line. */
export const TEXT: Kind<string> = {
  wanted: "a text on one line",
  // deno-lint-ignore no-control-regex -- control characters are what it refuses
  decode: (raw) => typeof raw === "string" && !/[\x00-\x1f\x7f]/.test(raw) ? raw : undefined,
};

/** A path, made absolute; an empty text stays empty. */
export const PATH: Kind<string> = {
  wanted: "a path",
  decode: (raw, folder) => {
    const path = TEXT.decode(raw, folder);
    return path === undefined || path === "" ? path : resolvePath(folder, path);
  },
};

/** A path that can't be empty, made absolute. */
export const REQUIRED_PATH: Kind<string> = {
  wanted: "a path",
  decode: (raw, folder) => PATH.decode(raw, folder) || undefined,
};

/** One of a few words. */
export function choice<const Word extends string>(...words: readonly Word[]): Kind<Word> {
  return {
    wanted: words.map((word) => JSON.stringify(word)).join(" or "),
    decode: (raw) => words.find((word) => word === raw),
  };
}

/** A whole number from `min` to `max`. `zeroMeans` is added to what the mistake says, such as `0 = no limit`. */
export function wholeNumber(min: number, max: number, zeroMeans = ""): Kind<number> {
  return {
    wanted: `a whole number from ${min} to ${max}${zeroMeans}`,
    decode: (raw) => typeof raw === "bigint" && raw >= min && raw <= max ? Number(raw) : undefined,
  };
}

/** A duration in ms from `minMs` to `maxMs`; a bare 0 is legal where `minMs` is 0. */
export function duration(minMs: number, maxMs: number, zeroMeans = ""): Kind<number> {
  const range = minMs === 0 ? `up to "${formatDuration(maxMs)}"` : `from "1ms" to "${formatDuration(maxMs)}"`;
  return {
    wanted: `a duration such as "1m30s", ${range}${zeroMeans}`,
    decode: (raw) => {
      const durationMs = raw === 0n ? 0 : typeof raw === "string" ? parseDuration(raw) : undefined;
      return durationMs !== undefined && durationMs >= minMs && durationMs <= maxMs ? durationMs : undefined;
    },
  };
}

const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/** A moment as Unix time in ms: a TOML date-time with an offset, or the same as text (RFC 3339 §5.6). */
export const MOMENT: Kind<number> = {
  wanted: "a date and time with an offset, such as 2030-01-31T12:00:00Z",
  decode: (raw) => {
    if (raw instanceof Temporal.ZonedDateTime) return raw.epochMilliseconds;
    if (typeof raw !== "string" || !DATE_TIME.test(raw)) return undefined;
    try {
      return Temporal.Instant.from(raw).epochMilliseconds;
    } catch {
      return undefined; // 30 February, hour 25
    }
  },
};

/** A key that may be left out. */
export function optional<Value>(kind: Kind<Value>, value: Value, defaultText: string): ScalarKey<Value> {
  return { ...kind, list: false, required: false, default: value, defaultText };
}

/** A key that may be left out, which then means something of its own: undefined. */
export function absent<Value>(kind: Kind<Value>, meaning = "none"): ScalarKey<Value | undefined> {
  return { ...kind, list: false, required: false, default: undefined, defaultText: meaning };
}

/** A key that its section must have. Its value is undefined after the mistake. */
export function required<Value>(kind: Kind<Value>): ScalarKey<Value | undefined> {
  return { ...kind, list: false, required: true, default: undefined, defaultText: "required" };
}

/** A key with a list, empty by default. */
export function list<Item>(item: Kind<Item>): ListKey<Item> {
  return { list: true, item, defaultText: "[]" };
}

/** The key of a limit: in ms for durations. */
export function limit(row: LimitRow): ScalarKey<number> {
  const min = row.zero === "refused" ? 1 : 0;
  const zeroMeans = row.zero === "off"
    ? " (0 = off)"
    : row.zero === "computed"
    ? " (0 = chosen at start)"
    : "";
  if (row.unit === "duration") {
    return optional(
      duration(min, row.max, zeroMeans),
      row.default,
      JSON.stringify(formatDuration(row.default)),
    );
  }
  return optional(wholeNumber(min, row.max, zeroMeans), row.default, String(row.default));
}
