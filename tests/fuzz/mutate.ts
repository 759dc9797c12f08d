/**
 * Makes wrong input out of right input: all from one source of randomness, so that a seed gives it again.
 *
 * @module
 */

/** A number from 0 up to, but without, 1; each call gives the next. */
export type Random = () => number;

/** Longest input that mutation makes; what is longer is cut. */
const BYTES_MAX = 70_000;

/** A repeatable {@linkcode Random} (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from 0 up to, but without, `limit`. */
export function below(limit: number, random: Random): number {
  return Math.floor(random() * limit);
}

/** One of the items. */
export function pick<Item>(items: readonly Item[], random: Random): Item {
  return items[below(items.length, random)]!;
}

/**
 * One of the inputs with 0 to 4 mutations: bit flips, changed bytes and lengths, truncation, a piece left out,
 * doubled, or taken from another input.
 */
export function mutate(inputs: readonly Uint8Array[], random: Random): Uint8Array {
  let bytes = pick(inputs, random).slice();
  for (let left = below(5, random); left > 0 && bytes.length > 0; left--) {
    bytes = pick(MUTATIONS, random)(bytes, random, inputs).slice(0, BYTES_MAX);
  }
  return bytes;
}

/** The same bytes in pieces: whole, single bytes, or at random cuts, some of them empty. */
export function cut(bytes: Uint8Array, random: Random): Uint8Array[] {
  const sizeMax = pick([1, 2, 16, 300, bytes.length + 1], random);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = sizeMax === 1 ? 1 : below(sizeMax + 1, random);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

/** Runs a check; what it throws comes with the input. */
export function checkInput(bytes: Uint8Array, check: (bytes: Uint8Array) => void): void {
  try {
    check(bytes);
  } catch (error) {
    throw new Error(`input ${bytes.toHex()}`, { cause: error });
  }
}

type Mutation = (bytes: Uint8Array, random: Random, inputs: readonly Uint8Array[]) => Uint8Array;

const INTERESTING = [0, 1, 0x0a, 0x0d, 0x16, 0x20, 0x7f, 0x80, 0xfe, 0xff];

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, random) {
    bytes[below(bytes.length, random)]! ^= 1 << below(8, random);
    return bytes;
  },
  function changeByte(bytes, random) {
    bytes[below(bytes.length, random)] = pick(INTERESTING, random);
    return bytes;
  },
  function nudgeByte(bytes, random) {
    bytes[below(bytes.length, random)]! += pick([1, -1, 2, -2], random);
    return bytes;
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, below(bytes.length, random));
  },
  function leaveOut(bytes, random) {
    const [start, end] = range(bytes, random);
    return join(bytes.subarray(0, start), bytes.subarray(end));
  },
  function double(bytes, random) {
    const [start, end] = range(bytes, random);
    return join(bytes.subarray(0, end), bytes.subarray(start));
  },
  function splice(bytes, random, inputs) {
    const other = pick(inputs, random);
    const [start, end] = range(other, random);
    const at = below(bytes.length, random);
    return join(bytes.subarray(0, at), other.subarray(start, end), bytes.subarray(at));
  },
  function repeat(bytes, random) {
    const [start, end] = range(bytes, random);
    const piece = bytes.subarray(start, end);
    return join(bytes.subarray(0, end), ...Array<Uint8Array>(below(40, random)).fill(piece));
  },
];

function range(bytes: Uint8Array, random: Random): [start: number, end: number] {
  const start = below(bytes.length, random);
  return [start, start + 1 + below(Math.min(bytes.length - start, pick([4, 40, 4_000], random)), random)];
}

function join(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
