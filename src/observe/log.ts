/**
 * The log: one line an event on standard output, JSON or text. A log that nobody reads never holds anything up:
 * lines that don't fit its queue are dropped and counted.
 *
 * @module
 */

import { configureSync, getLogger, type Logger, type LogRecord } from "@logtape/logtape";
import type { LogLevel } from "../state/settings.ts";
import { printable } from "../wire/printable.ts";
import type { ConnectionEvent, RequestEvent } from "./events.ts";

/** What is told about an event besides its name. Keys are snake_case; values are JSON. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where lines go; false = dropped. */
export type LineSink = (line: string) => boolean;

/** How a log is made. */
export interface LogOptions {
  /** Lines below it are not made; connection events are of level `info`. */
  readonly level: LogLevel;
  /** `json`: one object a line; `text`: time, level, event, then `name=value`. */
  readonly format: "json" | "text";
  /** Takes each finished line, without its newline; must not wait. */
  readonly write: LineSink;
  /** Called for each line that was dropped. */
  readonly onDropped: () => void;
}

/** The category of every logger here. */
const CATEGORY = "mc-proxy";

/** One program's log. Event names are part of the stable boundary: append only. */
export class Log {
  readonly #logger: Logger;
  readonly #options: LogOptions;
  readonly #render: (line: Line) => string;
  readonly #tellsConnections: boolean;

  /** Configures LogTape, whose configuration is the process's: the last log made is the one that writes. */
  constructor(options: LogOptions) {
    const { level, format } = options;
    this.#options = options;
    this.#render = format === "json" ? jsonLine : textLine;
    this.#tellsConnections = level === "info" || level === "debug";
    configureSync({
      reset: true,
      sinks: { lines: (record: LogRecord) => this.#write(lineOf(record)) },
      loggers: [
        { category: CATEGORY, lowestLevel: level, sinks: ["lines"] },
        { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["lines"] },
      ],
    });
    this.#logger = getLogger(CATEGORY);
  }

  /** Something is broken and needs a person. */
  error(event: string, fields: LogFields = {}): void {
    this.#logger.error(event, fields);
  }

  /** Something is not as it should be; service goes on. */
  warning(event: string, fields: LogFields = {}): void {
    this.#logger.warning(event, fields);
  }

  /** Something that an operator wants to find later. */
  info(event: string, fields: LogFields = {}): void {
    this.#logger.info(event, fields);
  }

  /** Detail. */
  debug(event: string, fields: LogFields = {}): void {
    this.#logger.debug(event, fields);
  }

  /** One connection has ended. Thousands a second: they go to the sink directly. */
  connection(event: ConnectionEvent): void {
    if (!this.#tellsConnections) return;
    const { time, ...fields } = event;
    this.#write({ timeMs: time, level: "info", event: "connection", fields });
  }

  /** One request is over. Told at `info` where requests are asked for, else at `debug`: workers know and send none otherwise. */
  request(event: RequestEvent, level: "info" | "debug"): void {
    const { time, type: _, ...fields } = event;
    this.#write({ timeMs: time, level, event: "request", fields });
  }

  #write(line: Line): void {
    if (!this.#options.write(printable(this.#render(line)))) this.#options.onDropped();
  }
}

/** What a line says. */
interface Line {
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

const LEVELS: Readonly<Record<LogRecord["level"], LogLevel>> = {
  fatal: "error",
  error: "error",
  warning: "warning",
  info: "info",
  debug: "debug",
  trace: "debug",
};

function lineOf({ timestamp, level, message, properties }: LogRecord): Line {
  return { timeMs: timestamp, level: LEVELS[level], event: message.join(""), fields: properties };
}

function jsonLine({ timeMs, level, event, fields }: Line): string {
  const head = JSON.stringify({ time: new Date(timeMs).toISOString(), level, event });
  const rest = JSON.stringify(fields);
  return rest === "{}" ? head : `${head.slice(0, -1)},${rest.slice(1)}`;
}

function textLine({ timeMs, level, event, fields }: Line): string {
  const pairs = Object.entries(fields).map(([name, value]) => `${name}=${textValue(value)}`);
  return [new Date(timeMs).toISOString(), level.toUpperCase(), event, ...pairs].join(" ");
}

/** Quoted where a blank, a quote or a control character would make the line ambiguous. */
function textValue(value: unknown): string {
  if (typeof value === "string" && /^[^\s"=\p{C}]+$/u.test(value)) return value;
  return JSON.stringify(value) ?? "null";
}
