/**
 * What a worker has to prepare, cut into lines that each are within their limit.
 *
 * @module
 */

import type { Change } from "../state/change.ts";
import {
  LINE_BYTES_MAX,
  type PemPiece,
  type PrepareMessage,
  type RoutePems,
  type Slot,
  type StateOptions,
} from "./messages.ts";

/** Slots in one part. */
const SLOTS_MAX = 1_000;
/** Characters of JSON that the changes, pieces or texts of one part may have, before escapes and UTF-8 make more of them. */
const PART_CHARACTERS_MAX = LINE_BYTES_MAX / 4;

/** What a preparation is made of. */
export interface Preparation {
  /** Of the state to come. */
  readonly revision: number;
  /** Of the state to come. */
  readonly generation: number;
  /** From the state that the worker serves; from nothing for a new worker. */
  readonly changes: readonly Change[];
  /** Of every listener that the changes put. */
  readonly listenerSlots: readonly Slot[];
  /** Of every route that the changes put. */
  readonly routeSlots: readonly Slot[];
  /** By digest: texts that the state before didn't use. */
  readonly pems: ReadonlyMap<string, string>;
  /** L7 routes whose texts are others than before. */
  readonly routePems: readonly RoutePems[];
  /** What belongs to the state besides. */
  readonly options: StateOptions;
}

/** Cuts a preparation into parts, each line within its limit. */
export function* prepareMessages(preparation: Preparation): Generator<PrepareMessage> {
  const { revision, generation, options } = preparation;
  const part = {
    type: "prepare",
    revision,
    generation,
    changes: [],
    listenerSlots: [],
    routeSlots: [],
    pemPieces: [],
    routePems: [],
  } as const;
  for (const listenerSlots of chunks(preparation.listenerSlots, () => 1, SLOTS_MAX)) {
    yield { ...part, listenerSlots };
  }
  for (const routeSlots of chunks(preparation.routeSlots, () => 1, SLOTS_MAX)) yield { ...part, routeSlots };
  for (const changes of chunks(preparation.changes, jsonLength, PART_CHARACTERS_MAX)) {
    yield { ...part, changes };
  }
  for (const piece of pemPieces(preparation.pems)) yield { ...part, pemPieces: [piece] };
  for (const routePems of chunks(preparation.routePems, jsonLength, PART_CHARACTERS_MAX)) {
    yield { ...part, routePems };
  }
  yield { ...part, last: options };
}

function jsonLength(value: unknown): number {
  return JSON.stringify(value).length;
}

function* pemPieces(pems: ReadonlyMap<string, string>): Generator<PemPiece> {
  for (const [digest, text] of pems) {
    for (let start = 0; start < text.length; start += PART_CHARACTERS_MAX) {
      yield [digest, text.slice(start, start + PART_CHARACTERS_MAX)];
    }
  }
}

function* chunks<T>(
  items: readonly T[],
  sizeOf: (item: T) => number,
  sizeMax: number,
): Generator<readonly T[]> {
  let chunk: T[] = [];
  let size = 0;
  for (const item of items) {
    const itemSize = sizeOf(item);
    if (chunk.length > 0 && size + itemSize > sizeMax) {
      yield chunk;
      chunk = [];
      size = 0;
    }
    chunk.push(item);
    size += itemSize;
  }
  if (chunk.length > 0) yield chunk;
}
