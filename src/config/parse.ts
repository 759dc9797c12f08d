/**
 * Reads a TOML configuration file: everything that is right, or everything that is wrong.
 *
 * @module
 */

import { parse, TomlError } from "smol-toml";
import { LIMITS, type Limits } from "../state/limits.ts";
import type { ConfigurationSeed } from "../state/model.ts";
import type { Settings } from "../state/settings.ts";
import { validateConfiguration } from "../state/validate.ts";
import { type PlacedRule, readFirewall } from "./firewall.ts";
import { readGrpc } from "./grpc.ts";
import type { ConfigIssue } from "./issue.ts";
import { readListeners } from "./listeners.ts";
import { DATABASE, HTTP, LOG, METRICS, PROXY, SECTIONS, TOP } from "./schema.ts";
import { type Reading, readTable } from "./table.ts";

/** A whole configuration file. */
export interface BootConfig {
  /** What is read at each start. */
  readonly settings: Settings;
  /** What fills a new database. */
  readonly seed: ConfigurationSeed;
  /** What is legal and has no effect, one sentence each. */
  readonly warnings: readonly string[];
}

/** What a text is: a configuration, or mistakes (at least one). */
export type ParsedConfig =
  | { readonly config: BootConfig; readonly issues?: undefined }
  | { readonly config?: undefined; readonly issues: readonly ConfigIssue[] };

/** How a text is read. */
export interface ParseOptions {
  /** Absolute path of the TOML file's folder, which relative paths start from. */
  readonly folder: string;
}

/** Tables and lists inside each other; the file's own keys need four. */
const DEPTH_MAX = 32;

/**
 * Reads the text of a TOML configuration file and canonicalises its names and addresses.
 *
 * @param text the file's content
 * @param options the folder that relative paths start from
 * @returns the configuration, or every mistake at once; a text that is no TOML has that one mistake
 */
export function parseConfig(text: string, options: ParseOptions): ParsedConfig {
  const toml = parseToml(text);
  if (toml.issue !== undefined) return { issues: [toml.issue] };
  const reading: Reading = {
    folder: options.folder,
    keysElsewhere: KEYS_ELSEWHERE,
    issues: [],
    warnings: [],
  };
  const config = readTop(reading, toml.table);
  return reading.issues.length > 0 ? { issues: reading.issues } : { config };
}

function readTop(reading: Reading, table: Readonly<Record<string, unknown>>): BootConfig {
  readTable(reading, TOP, table, "");
  const database = readTable(reading, DATABASE, table["database"], "database");
  const listeners = readListeners(reading, table["listeners"]);
  const grpc = readGrpc(reading, table["grpc"]);
  const firewall = readFirewall(reading, table["firewall"]);
  const proxy = readTable(reading, PROXY, table["proxy"], "proxy");
  const http = readTable(reading, HTTP, table["http"], "http");
  const metrics = readTable(reading, METRICS, table["metrics"], "metrics");
  const log = readTable(reading, LOG, table["log"], "log");
  const settings: Settings = {
    databasePath: database.path ?? "",
    ...(grpc === undefined ? {} : { grpc }),
    geoipDb: firewall.values.geoip_db,
    blockUnknownCountry: firewall.values.block_unknown_country,
    limitMode: firewall.values.limit_mode,
    limits: collectLimits({ proxy, http, firewall: firewall.values }),
    metricsTextfile: metrics.textfile,
    logLevel: log.level,
    logFormat: log.format,
    logRequests: log.requests,
  };
  if (settings.limits.rateLimit === 0 && settings.limits.rateBurst > 0) {
    reading.warnings.push("firewall.rate_burst has no effect, because firewall.rate_limit is 0");
  }
  const seed = { listeners, firewallRules: firewall.rules.map(({ rule }) => rule) };
  checkTogether(reading, seed, firewall.rules);
  return { settings, seed, warnings: reading.warnings };
}

/**
 * Checks what values require of each other. A value with a mistake of its own isn't named twice: it was replaced for
 * this check, as was a list of which an item is a mistake.
 */
function checkTogether(reading: Reading, seed: ConfigurationSeed, rules: readonly PlacedRule[]): void {
  const named = new Set(reading.issues.flatMap(({ path }) => [path, path.replace(/\[\d+\]$/, "")]));
  for (const issue of validateConfiguration(seed)) {
    const path = issue.path.replace(/^firewall\.rules\[(\d+)\](.*)$/, (_, index: string, rest: string) => {
      const { at, isShorthand } = rules[Number(index)]!;
      return isShorthand ? at : `${at}${rest}`;
    });
    if (!named.has(path)) reading.issues.push({ ...issue, path });
  }
}

/** The limits by the program's names, from the sections that hold them by the file's. */
function collectLimits(sections: Readonly<Record<string, object>>): Limits {
  const entries = Object.entries(LIMITS).map(([name, row]) => {
    const [section = "", key = ""] = row.key.split(".");
    return [name, (sections[section] as Record<string, number>)[key]];
  });
  return Object.fromEntries(entries) as Limits;
}

type ParsedToml =
  | { readonly table: Readonly<Record<string, unknown>>; readonly issue?: undefined }
  | { readonly table?: undefined; readonly issue: ConfigIssue };

function parseToml(text: string): ParsedToml {
  try {
    return { table: parse(text, { integersAsBigInt: true, useLegacyDate: false, maxDepth: DEPTH_MAX }) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The first line is the reason; after it comes an excerpt of the file.
    const reason = error.message.split("\n", 1)[0]!.replace("Invalid TOML document: ", "");
    const { line, column } = error;
    return { issue: { path: "", wanted: "valid TOML", got: `a mistake (${reason})`, line, column } };
  }
}

/** Every key with the section that has it; of several sections, the first. */
const KEYS_ELSEWHERE: ReadonlyMap<string, string> = new Map(
  SECTIONS.flatMap(({ name, keys }) => Object.keys(keys).map((key) => [key, `[${name}] ${key}`] as const))
    .reverse(),
);
