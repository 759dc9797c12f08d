/**
 * Everything that crosses between the main process and a worker: JSON lines of at most 64 KiB on the worker's
 * stdin and stdout. What is larger travels in parts. Main validates what a worker says as it would a
 * stranger's word; a line that doesn't fit ends the worker.
 *
 * @module
 */

import {
  type ConnectionEvent,
  isConnectionEvent,
  isRequestEvent,
  type RequestEvent,
} from "../observe/events.ts";
import type { Change } from "../state/change.ts";
import type { LimitMode } from "../state/settings.ts";
import type { Limits } from "../state/limits.ts";
import { type ConnectionAnswer, type ConnectionQuestion, isConnectionAnswer } from "./query_answers.ts";

/** Longest line in bytes. */
export const LINE_BYTES_MAX = 65_536;
/** Events that make a batch leave at once. */
export const BATCH_EVENTS = 256;
/** How long an event waits for its batch, in ms. */
export const BATCH_DELAY_MS = 100;
/** Batches sent and not yet credited, above which events are dropped and counted. */
export const BATCHES_OUTSTANDING_MAX = 16;

/** A memory file that the worker has inherited. */
export interface MemoryFile {
  /** Inherited descriptor. */
  readonly fd: number;
  /** What may be mapped. */
  readonly sizeBytes: number;
}

/** The first line of a worker's life: what it needs before it gives up its permissions. */
export interface StartMessage {
  /** Always the first line. */
  readonly type: "start";
  /** Main's build, which the worker repeats. */
  readonly build: string;
  /** The worker's column of the shared memory. */
  readonly column: number;
  /** Beginning of every connection id; differs for every worker that ever was. */
  readonly idPrefix: string;
  /** Connections that this worker's descriptors allow it. */
  readonly connectionsMax: number;
  /** Gauges, counters, rate buckets. */
  readonly sharedMemory: MemoryFile;
  /** GeoIP databases, in slots. */
  readonly geoip: MemoryFile;
}

/** Where the GeoIP database of a generation stands in its memory file. */
export interface GeoipSlot {
  /** Where it begins. */
  readonly offset: number;
  /** How long it is. */
  readonly sizeBytes: number;
}

/** The PEM texts that an L7 route uses, each named by a digest of its content. */
export interface RoutePems {
  /** The route's id. */
  readonly routeId: number;
  /** The certificate chain shown to clients; absent = the route has no usable certificate. */
  readonly chain?: string;
  /** The chain's private key; present exactly when `chain` is. */
  readonly key?: string;
  /** What its backend is verified by; absent = no TLS towards it, or nothing usable to verify it by. */
  readonly authorities?: string;
}

/** A piece of a PEM text. The pieces of one text come in their order. */
export type PemPiece = readonly [digest: string, piece: string];

/** One part of the next state; the last one lets the worker build it. Without a current state the parts are the whole. */
export interface PrepareMessage {
  /** One of a row that ends with `last`. */
  readonly type: "prepare";
  /** Of the state to come. */
  readonly revision: number;
  /** Of the state to come. */
  readonly generation: number;
  /** From the current state to the next. */
  readonly changes: readonly Change[];
  /** Slots in the shared memory by listener id, of every listener that the changes put. */
  readonly listenerSlots: readonly Slot[];
  /** As `listenerSlots`, by route id. */
  readonly routeSlots: readonly Slot[];
  /** Texts that the state before didn't use. */
  readonly pemPieces: readonly PemPiece[];
  /** L7 routes whose texts are others than before. */
  readonly routePems: readonly RoutePems[];
  /** Present on the last part only. */
  readonly last?: StateOptions;
}

/** What belongs to a state besides its configuration. */
export interface StateOptions {
  /** Effective limits. */
  readonly limits: Limits;
  /** `[firewall] block_unknown_country`. */
  readonly blockUnknownCountry: boolean;
  /** `[firewall] limit_mode`. */
  readonly limitMode: LimitMode;
  /** Whether each layer-7 request is told as an event; they are counted always. */
  readonly tellsRequests: boolean;
  /** Absent = no GeoIP database. */
  readonly geoip?: GeoipSlot;
}

/** Where the gauges and counters of a listener or route stand. */
export type Slot = readonly [id: number, slot: number];

/** Listeners and routes that have, or had, a slot. */
export interface SlotOwners {
  /** Ids of listeners. */
  readonly listenerIds: readonly number[];
  /** Ids of routes. */
  readonly routeIds: readonly number[];
}

/** Ways in which a worker can be told to fail, honoured with `--testing-only-faults` alone. */
export const FAULTS = ["throw", "hang", "memory", "read", "spawn", "library", "database"] as const;
/** One of {@linkcode FAULTS}. */
export type Fault = typeof FAULTS[number];

/** Stop accepting, and end when every connection has. */
export interface DrainMessage {
  /** Marks it. */
  readonly type: "drain";
  /** What is open after so long is cut. */
  readonly shutdownTimeoutMs: number;
  /** Accept first what waits in the queues: another process listens on the same ports. */
  readonly emptiesQueues: boolean;
}

/** What main says to a worker. */
export type ToWorker =
  | StartMessage
  | PrepareMessage
  | { readonly type: "activate"; readonly revision: number; readonly generation: number }
  | { readonly type: "abort" }
  | DrainMessage
  | { readonly type: "credit"; readonly batches: number }
  /** Asks who of these is of no use any more; their slots go to others. */
  | SlotOwners & { readonly type: "forget" }
  | ConnectionQuestion
  | { readonly type: "fault"; readonly fault: Fault };

/** What a worker says to main. */
export type FromWorker =
  | { readonly type: "ready"; readonly build: string }
  | { readonly type: "prepared"; readonly revision: number; readonly generation: number }
  | {
    readonly type: "refused";
    readonly revision: number;
    readonly generation: number;
    readonly reason: string;
  }
  | { readonly type: "activated"; readonly revision: number; readonly generation: number }
  /** Those of `forget` that this worker counts nothing for, now and later. */
  | SlotOwners & { readonly type: "forgotten" }
  | { readonly type: "events"; readonly events: readonly (ConnectionEvent | RequestEvent)[] }
  | { readonly type: "drained"; readonly cut: number }
  | ConnectionAnswer
  | {
    readonly type: "log";
    readonly level: "error" | "warning" | "info";
    readonly event: string;
    readonly detail: string;
  };

/** Reads what a worker said. @returns `undefined` for anything that isn't exactly one of its messages */
export function parseFromWorker(line: string): FromWorker | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("type" in value)) return undefined;
  return isFromWorker(value as Record<string, unknown>) ? value as FromWorker : undefined;
}

function isFromWorker(message: Record<string, unknown>): boolean {
  switch (message["type"]) {
    case "ready":
      return isText(message["build"]);
    case "prepared":
    case "activated":
      return isCount(message["revision"]) && isCount(message["generation"]);
    case "refused":
      return isCount(message["revision"]) && isCount(message["generation"]) && isText(message["reason"]);
    case "forgotten":
      return isIds(message["listenerIds"]) && isIds(message["routeIds"]);
    case "events": {
      const events = message["events"];
      return Array.isArray(events) && events.length <= BATCH_EVENTS &&
        events.every((event) => isConnectionEvent(event) || isRequestEvent(event));
    }
    case "drained":
      return isCount(message["cut"]);
    case "listed":
    case "closed":
      return isConnectionAnswer(message);
    case "log":
      return ["error", "warning", "info"].includes(message["level"] as string) && isText(message["event"]) &&
        isText(message["detail"]);
    default:
      return false;
  }
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isIds(value: unknown): boolean {
  return Array.isArray(value) && value.every(isCount);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.length <= 4_096;
}
