/**
 * The Huffman code of HPACK (RFC 7541 §5.2, Appendix B), decoded through a ten-bit table and a tree for the
 * rare longer codes.
 *
 * @module
 */

// Code lengths of the symbols 0–255 and EOS. The code is canonical, so the lengths say everything.
const LENGTHS = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28],
  ...[28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6],
  ...[6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  ...[8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7],
  ...[7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22],
  ...[23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21],
  ...[22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22],
  ...[25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20],
  ...[24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27],
  ...[27, 27, 27, 27, 26, 30],
];

const EOS = 256;
const TABLE_BITS = 10;
const TABLE_MASK = (1 << TABLE_BITS) - 1;

const CODES = new Uint32Array(257);
const CODE_BITS = Uint8Array.from(LENGTHS);
/** Ten bits of input → code length × 256 + symbol, or 0 where the code is longer. */
const TABLE = new Uint16Array(1 << TABLE_BITS);
/** Two children for each node: a node above zero, or the complement of a symbol; 0 = not made yet. */
const TREE = new Int16Array(2 * 257);
fillTables();

function fillTables(): void {
  const order = [...LENGTHS.keys()].sort((a, b) => LENGTHS[a]! - LENGTHS[b]! || a - b);
  let code = -1;
  let bits = LENGTHS[order[0]!]!;
  let nodes = 1;
  for (const symbol of order) {
    const length = LENGTHS[symbol]!;
    code = (code + 1) * 2 ** (length - bits);
    bits = length;
    CODES[symbol] = code;
    if (length <= TABLE_BITS) {
      const first = code << (TABLE_BITS - length);
      TABLE.fill((length << 8) | symbol, first, first + (1 << (TABLE_BITS - length)));
    }
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const slot = node * 2 + ((code >>> bit) & 1);
      if (TREE[slot] === 0) TREE[slot] = nodes++;
      node = TREE[slot]!;
    }
    TREE[node * 2 + (code & 1)] = ~symbol;
  }
}

/** Most bytes that `count` bytes of Huffman code can stand for: the shortest code has five bits. */
export function huffmanDecodedMax(count: number): number {
  return Math.floor((count * 8) / 5);
}

/**
 * Decodes `source[from..to)` into `target`, which has room for {@linkcode huffmanDecodedMax}, and returns how
 * many bytes it wrote, or -1 when the code is invalid: EOS inside, padding longer than seven bits, or padding
 * that isn't the beginning of EOS (RFC 7541 §5.2).
 */
export function huffmanDecode(source: Uint8Array, from: number, to: number, target: Uint8Array): number {
  let at = from;
  let written = 0;
  let held = 0;
  let bits = 0;
  while (true) {
    while (bits < TABLE_BITS && at < to) {
      held = (held << 8) | source[at++]!;
      bits += 8;
    }
    if (bits < TABLE_BITS) break;
    const entry = TABLE[(held >>> (bits - TABLE_BITS)) & TABLE_MASK]!;
    if (entry !== 0) {
      target[written++] = entry;
      bits -= entry >>> 8;
      continue;
    }
    let node = 0;
    while (node >= 0) {
      if (bits === 0) {
        if (at === to) return -1;
        held = source[at++]!;
        bits = 8;
      }
      bits--;
      node = TREE[node * 2 + ((held >>> bits) & 1)]!;
    }
    if (~node === EOS) return -1;
    target[written++] = ~node;
  }
  while (bits > 0) {
    const missing = TABLE_BITS - bits;
    const entry = TABLE[((held << missing) | ((1 << missing) - 1)) & TABLE_MASK]!;
    const length = entry >>> 8;
    if (length === 0 || length > bits) break;
    target[written++] = entry;
    bits -= length;
  }
  const padding = (1 << bits) - 1;
  return bits <= 7 && (held & padding) === padding ? written : -1;
}

/** Bytes that `text` (one character a byte) takes as Huffman code. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let index = 0; index < text.length; index++) bits += CODE_BITS[byteOf(text, index)]!;
  return (bits + 7) >>> 3;
}

/** Writes `text` as Huffman code at `target[at]`, where room for {@linkcode huffmanLength} is; returns the end. */
export function huffmanEncode(text: string, target: Uint8Array, at: number): number {
  let held = 0;
  let bits = 0;
  for (let index = 0; index < text.length; index++) {
    const byte = byteOf(text, index);
    let length = CODE_BITS[byte]!;
    const code = CODES[byte]!;
    if (length > 16) {
      length -= 16;
      held = (held << length) | (code >>> 16);
      bits += length;
      while (bits >= 8) target[at++] = held >>> (bits -= 8);
      length = 16;
    }
    held = (held << length) | (code & ((1 << length) - 1));
    bits += length;
    while (bits >= 8) target[at++] = held >>> (bits -= 8);
  }
  if (bits > 0) target[at++] = (held << (8 - bits)) | ((1 << (8 - bits)) - 1);
  return at;
}

/**
 * The byte at `index`. A character that is no byte becomes `?`: cutting its top bits off could make a line
 * feed of it.
 */
export function byteOf(text: string, index: number): number {
  const code = text.charCodeAt(index);
  return code < 256 ? code : 0x3f;
}
