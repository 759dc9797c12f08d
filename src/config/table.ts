/**
 * Reads the tables of a parsed TOML file against their schema, and notes every mistake on the way.
 *
 * @module
 */

import { type ConfigIssue, describeValue } from "./issue.ts";
import type { Key, Kind, ScalarKey, Values } from "./key.ts";
import { nearest } from "./nearest.ts";

/** One section of the file: its name, its keys, and the names of the tables inside it. */
export interface Section<Keys extends Record<string, Key> = Record<string, Key>> {
  /** Such as `listeners.routes`; empty for the top of the file. */
  readonly name: string;
  /** Its keys that hold values. */
  readonly keys: Keys;
  /** Its keys that hold tables, which are sections of their own. */
  readonly tables: readonly string[];
}

/** What one reading of a file needs and collects. */
export interface Reading {
  /** Absolute path of the TOML file's folder. */
  readonly folder: string;
  /** Other sections' keys, `[proxy] idle_timeout` by `idle_timeout`: the hint for a key in the wrong place. */
  readonly keysElsewhere: ReadonlyMap<string, string>;
  /** Grows with every mistake. */
  readonly issues: ConfigIssue[];
  /** Grows with everything that is legal and without effect. */
  readonly warnings: string[];
}

/** A table of a TOML file. */
export type TomlTable = Readonly<Record<string, unknown>>;

/** One table of a list of tables, with its key path. */
export interface PlacedTable {
  /** As the TOML parser gave it. */
  readonly table: TomlTable;
  /** Such as `listeners[0]`. */
  readonly at: string;
}

/** The key path of a key in the table at `at`. */
export function keyPath(at: string, key: string): string {
  const name = /^[A-Za-z0-9_-]{1,64}$/.test(key) ? key : describeValue(key);
  return at === "" ? name : `${at}.${name}`;
}

/**
 * Reads one table. A key with a mistake gets its default, so that the reading goes on and finds the other mistakes.
 *
 * @param reading gets the mistakes
 * @param section what is legal
 * @param raw as the TOML parser gave it; undefined = the file has no such table
 * @param at the table's key path; empty for the top of the file
 */
export function readTable<Keys extends Record<string, Key>>(
  reading: Reading,
  section: Section<Keys>,
  raw: unknown,
  at: string,
): Values<Keys> {
  const table = isTable(raw) ? raw : undefined;
  if (raw !== undefined && table === undefined) {
    reading.issues.push({ path: at, wanted: `a table [${section.name}]`, got: describeValue(raw) });
  }
  if (table !== undefined) refuseUnknownKeys(reading, section, table, at);
  const values: Record<string, unknown> = {};
  for (const [name, key] of Object.entries(section.keys)) {
    const path = keyPath(at, name);
    const value = table?.[name];
    if (value !== undefined) values[name] = readValue(reading, key, value, path);
    else if (key.list) values[name] = [];
    else {
      values[name] = key.default;
      if (key.required && (raw === undefined || table !== undefined)) {
        reading.issues.push({ path, wanted: key.wanted, got: "nothing" });
      }
    }
  }
  return values as Values<Keys>;
}

/**
 * The tables of a list of tables such as `[[listeners]]`; none when one of them is no table.
 *
 * @param reading gets a mistake for what is no table
 * @param name such as `listeners.routes`
 * @param raw as the TOML parser gave it; undefined = none
 * @param at the list's key path
 */
export function readTables(reading: Reading, name: string, raw: unknown, at: string): readonly PlacedTable[] {
  if (raw === undefined) return [];
  if (!Array.isArray(raw)) {
    reading.issues.push({ path: at, wanted: `tables [[${name}]]`, got: describeValue(raw) });
    return [];
  }
  const index = raw.findIndex((item) => !isTable(item));
  if (index < 0) return raw.map((table, index) => ({ table, at: `${at}[${index}]` }));
  reading.issues.push({
    path: `${at}[${index}]`,
    wanted: `a table [[${name}]]`,
    got: describeValue(raw[index]),
  });
  return [];
}

function isTable(raw: unknown): raw is TomlTable {
  return Object.prototype.toString.call(raw) === "[object Object]";
}

function refuseUnknownKeys(reading: Reading, section: Section, table: TomlTable, at: string): void {
  const known = [...Object.keys(section.keys), ...section.tables];
  for (const key of Object.keys(table)) {
    if (known.includes(key)) continue;
    const hint = nearest(key, known) ?? reading.keysElsewhere.get(key);
    reading.issues.push({
      path: keyPath(at, key),
      wanted: section.name === "" ? "a known section" : "a known key",
      got: "an unknown one",
      ...(hint === undefined ? {} : { nearest: hint }),
    });
  }
}

function readValue(reading: Reading, key: Key, raw: unknown, path: string): unknown {
  return key.list ? readList(reading, key.item, raw, path) : readScalar(reading, key, raw, path);
}

function readScalar(reading: Reading, key: ScalarKey<unknown>, raw: unknown, path: string): unknown {
  const value = readAs(reading, key, raw, path);
  return value === undefined ? key.default : value;
}

function readList(reading: Reading, item: Kind<unknown>, raw: unknown, path: string): unknown[] {
  if (!Array.isArray(raw)) {
    reading.issues.push({ path, wanted: `a list, each item ${item.wanted}`, got: describeValue(raw) });
    return [];
  }
  return raw.flatMap((entry, index) => {
    const value = readAs(reading, item, entry, `${path}[${index}]`);
    return value === undefined ? [] : [value];
  });
}

/**
 * Reads one value.
 *
 * @param reading gets the mistake
 * @returns undefined after a mistake
 */
export function readAs<Value>(
  reading: Reading,
  kind: Kind<Value>,
  raw: unknown,
  path: string,
): Value | undefined {
  const value = kind.decode(raw, reading.folder);
  if (value === undefined) {
    const wanted = typeof raw === "string" ? kind.wantedOf?.(raw) : undefined;
    reading.issues.push({ path, wanted: wanted ?? kind.wanted, got: describeValue(raw) });
  }
  return value;
}
