/**
 * Country databases for tests, written in MaxMind's format (MaxMind DB File Format Specification 2.0): an IPv4 tree
 * with records of 24 bits.
 *
 * @module
 */

import { bytes, latin1, number } from "./client_hello.ts";

/** ISO code of each range: `{ "127.1.0.0/16": "DE" }`. Ranges must not overlap. */
export type Countries = Readonly<Record<string, string>>;

/** A branch of the tree: what follows a 0 and a 1; a text is a country, `undefined` nothing. */
type Node = [Node | string | undefined, Node | string | undefined];

const METADATA_MARKER = bytes(Uint8Array.of(0xab, 0xcd, 0xef), latin1("MaxMind.com"));
const SEPARATOR_BYTES = 16;

/** The file's bytes. */
export function countryDatabase(countries: Countries): Uint8Array {
  const root: Node = [undefined, undefined];
  for (const [range, code] of Object.entries(countries)) insert(root, range, code);
  const nodes = nodesOf(root);
  const numbers = new Map(nodes.map((node, index) => [node, index]));
  const offsets = new Map<string, number>();
  let data = new Uint8Array();
  for (const code of new Set(Object.values(countries))) {
    offsets.set(code, data.length);
    data = new Uint8Array(bytes(data, map({ country: map({ iso_code: text(code) }) })));
  }
  const recordOf = (child: Node | string | undefined): number => {
    if (child === undefined) return nodes.length;
    return typeof child === "string"
      ? nodes.length + SEPARATOR_BYTES + offsets.get(child)!
      : numbers.get(child)!;
  };
  const tree = nodes.flatMap((node) => node.map((child) => number(recordOf(child), 3)));
  return bytes(
    ...tree,
    new Uint8Array(SEPARATOR_BYTES),
    data,
    METADATA_MARKER,
    map({
      node_count: unsigned(6, nodes.length),
      record_size: unsigned(5, 24),
      ip_version: unsigned(5, 4),
      database_type: text("Test-Country"),
      languages: Uint8Array.of(0, 4),
      binary_format_major_version: unsigned(5, 2),
      binary_format_minor_version: unsigned(5, 0),
      build_epoch: bytes(Uint8Array.of(4, 2), number(1_700_000_000, 4)),
      description: map({}),
    }),
  );
}

function insert(root: Node, range: string, code: string): void {
  const [address, prefix] = range.split("/");
  const octets = address!.split(".").map(Number);
  let node = root;
  for (let depth = 0; depth < Number(prefix); depth++) {
    const bit = (octets[depth >> 3]! >> (7 - depth % 8)) & 1;
    if (depth === Number(prefix) - 1) {
      node[bit] = code;
      return;
    }
    const next = node[bit] ?? [undefined, undefined];
    if (typeof next === "string") throw new RangeError(`${range} lies in another range`);
    node[bit] = next;
    node = next;
  }
}

function nodesOf(root: Node): Node[] {
  const nodes = [root];
  for (const node of nodes) nodes.push(...node.filter((child) => Array.isArray(child)));
  return nodes;
}

/** Control byte (type in the upper three bits, size below 29) and content. */
function field(type: number, content: Uint8Array, size = content.length): Uint8Array {
  return bytes(Uint8Array.of(type << 5 | size), content);
}

function text(value: string): Uint8Array {
  return field(2, latin1(value));
}

function unsigned(type: 5 | 6, value: number): Uint8Array {
  return field(type, number(value, type === 5 ? 2 : 4));
}

function map(entries: Readonly<Record<string, Uint8Array>>): Uint8Array {
  const pairs = Object.entries(entries);
  return field(7, bytes(...pairs.flatMap(([name, value]) => [text(name), value])), pairs.length);
}
