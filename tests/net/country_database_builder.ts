/**
 * Small country databases in MaxMind's format (MaxMind DB File Format Specification 2.0), so that a test says which
 * address is in which country: 127.0.0.1, for one, which no real database knows.
 *
 * @module
 */

const RECORD_BYTES = 3;
const DATA_SEPARATOR_BYTES = 16;
/** Types of the data section. */
const TYPE = { text: 2, map: 7, uint16: 5, uint32: 6, uint64: 9, array: 11 } as const;
const MARKER = Uint8Array.of(0xab, 0xcd, 0xef, ...new TextEncoder().encode("MaxMind.com"));

/** An inner node of the search tree, the number of a country, or nothing. */
type Branch = Node | number | undefined;
type Node = [Branch, Branch];

/**
 * The file's bytes.
 *
 * @param countries ISO codes by IPv4 CIDR, the ranges not overlapping: `{ "127.0.0.0/8": "DE" }`
 * @param builtAtSeconds Unix time of the build
 */
export function countryDatabase(
  countries: Readonly<Record<string, string>>,
  builtAtSeconds = 1_790_000_000,
): Uint8Array<ArrayBuffer> {
  const codes = [...new Set(Object.values(countries))];
  const root: Node = [undefined, undefined];
  for (const [cidr, code] of Object.entries(countries)) insert(root, cidr, codes.indexOf(code));
  const data: number[] = [];
  const offsets = codes.map((code) => {
    const offset = data.length;
    data.push(...map({ country: map({ iso_code: text(code) }) }));
    return offset;
  });
  const nodes = flatten(root);
  return Uint8Array.from([
    ...treeBytes(nodes, offsets),
    ...new Uint8Array(DATA_SEPARATOR_BYTES),
    ...data,
    ...MARKER,
    ...map({
      binary_format_major_version: number(TYPE.uint16, 2, 2),
      binary_format_minor_version: number(TYPE.uint16, 0, 2),
      build_epoch: number(TYPE.uint64, builtAtSeconds, 8),
      database_type: text("Test-Country"),
      description: map({}),
      ip_version: number(TYPE.uint16, 4, 2),
      languages: head(TYPE.array, 0),
      node_count: number(TYPE.uint32, nodes.length, 4),
      record_size: number(TYPE.uint16, RECORD_BYTES * 8, 2),
    }),
  ]);
}

function insert(root: Node, cidr: string, country: number): void {
  const [address, prefix] = cidr.split("/");
  const bits = address!.split(".").map((byte) => Number(byte).toString(2).padStart(8, "0")).join("");
  const path = [...bits.slice(0, Number(prefix ?? 32))].map(Number);
  let node = root;
  for (const bit of path.slice(0, -1)) {
    const next = node[bit];
    const below: Node = Array.isArray(next) ? next : [undefined, undefined];
    node[bit] = below;
    node = below;
  }
  node[path.at(-1)!] = country;
}

/** Nodes in the order of their numbers, the root first. */
function flatten(root: Node): Node[] {
  const nodes = [root];
  for (const node of nodes) nodes.push(...node.filter((branch) => Array.isArray(branch)));
  return nodes;
}

function treeBytes(nodes: readonly Node[], offsets: readonly number[]): number[] {
  const numbers = new Map(nodes.map((node, index) => [node, index]));
  return nodes.flatMap((node) =>
    node.flatMap((branch) => {
      if (branch === undefined) return bigEndian(nodes.length, RECORD_BYTES);
      if (Array.isArray(branch)) return bigEndian(numbers.get(branch)!, RECORD_BYTES);
      return bigEndian(nodes.length + DATA_SEPARATOR_BYTES + offsets[branch]!, RECORD_BYTES);
    })
  );
}

function map(entries: Readonly<Record<string, readonly number[]>>): number[] {
  const pairs = Object.entries(entries);
  return [...head(TYPE.map, pairs.length), ...pairs.flatMap(([key, value]) => [...text(key), ...value])];
}

function text(value: string): number[] {
  return [...head(TYPE.text, value.length), ...new TextEncoder().encode(value)];
}

function number(type: number, value: number, width: number): number[] {
  return [...head(type, width), ...bigEndian(value, width)];
}

/** Control bytes: sizes up to 28, types above 7 in a second byte. */
function head(type: number, size: number): number[] {
  return type > 7 ? [size, type - 7] : [type << 5 | size];
}

function bigEndian(value: number, width: number): number[] {
  return Array.from({ length: width }, (_, index) => Math.floor(value / 256 ** (width - 1 - index)) % 256);
}
