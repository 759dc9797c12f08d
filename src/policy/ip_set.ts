/**
 * A set of address ranges with values: the compiled form of the firewall's IP and CIDR rules.
 *
 * It is a path-compressed binary trie (PATRICIA) per family. A lookup visits at most one node per bit and in
 * practice about the logarithm of the number of ranges, whatever an attacker chooses as addresses. It is
 * persistent: a changed set shares all but the path to the change with the old one, which stays valid for the
 * connections that hold it.
 *
 * @module
 */

import { type Cidr, maskWord } from "./cidr.ts";
import { addressBits, type IpAddress } from "./ip_address.ts";

/** What a set holds at a range; ids tell values at one range apart. */
export interface IdentifiedValue {
  /** Unique within a range. */
  readonly id: number;
}

/**
 * A node covers the range `word0…word3`/`bits`. Inner nodes without values only branch. Words are signed here:
 * the engine holds a signed 32-bit integer in the object itself, an unsigned one often in an object of its own.
 */
interface Node<Value> {
  readonly bits: number;
  readonly word0: number;
  readonly word1: number;
  readonly word2: number;
  readonly word3: number;
  values: readonly Value[];
  zero: Node<Value> | undefined;
  one: Node<Value> | undefined;
  /** The builder that made this node and may still change it in place. */
  readonly owner: symbol;
}

type Root<Value> = Node<Value> | undefined;

const NOTHING: readonly never[] = Object.freeze([]);

/** An immutable set of ranges, each with one or more values. Made and changed by {@linkcode IpSetBuilder}. */
export class IpSet<Value extends IdentifiedValue> {
  /** Number of values. */
  readonly size: number;
  readonly #root4: Root<Value>;
  readonly #root6: Root<Value>;

  private constructor(root4: Root<Value>, root6: Root<Value>, size: number) {
    this.#root4 = root4;
    this.#root6 = root6;
    this.size = size;
  }

  /** The set without any range. */
  static empty<Value extends IdentifiedValue>(): IpSet<Value> {
    return new IpSet<Value>(undefined, undefined, 0);
  }

  /**
   * Every value whose range contains the address, the longest prefix first, and by id within one range.
   * Allocates nothing when there is none.
   */
  lookup(address: IpAddress): readonly Value[] {
    let node = address.family === 4 ? this.#root4 : this.#root6;
    let matches: Value[] | undefined;
    while (node !== undefined && covers(node, address)) {
      if (node.values.length > 0) {
        matches = matches === undefined ? [...node.values] : [...node.values, ...matches];
      }
      if (node.bits === addressBits(address.family)) break;
      node = bitAt(address, node.bits) === 0 ? node.zero : node.one;
    }
    return matches ?? NOTHING;
  }

  /** Number of trie nodes: at most twice the number of ranges. Walks all of them. */
  countNodes(): number {
    return countNodes(this.#root4) + countNodes(this.#root6);
  }

  /** A builder that begins with this set and leaves it as it is. */
  builder(): IpSetBuilder<Value> {
    return new IpSetBuilder(
      this.#root4,
      this.#root6,
      this.size,
      (root4, root6, size) => new IpSet(root4, root6, size),
    );
  }
}

/**
 * Changes a set one value at a time, each in at most one step per bit, so that the caller decides how many make
 * a slice. Nodes made by this builder are changed in place, all others are copied.
 */
export class IpSetBuilder<Value extends IdentifiedValue> {
  #root4: Root<Value>;
  #root6: Root<Value>;
  #size: number;
  #owner = Symbol("builder");
  readonly #make: (root4: Root<Value>, root6: Root<Value>, size: number) => IpSet<Value>;

  /** Use {@linkcode IpSet.builder}. */
  constructor(
    root4: Root<Value>,
    root6: Root<Value>,
    size: number,
    make: (root4: Root<Value>, root6: Root<Value>, size: number) => IpSet<Value>,
  ) {
    this.#root4 = root4;
    this.#root6 = root6;
    this.#size = size;
    this.#make = make;
  }

  /** Adds a value at a range. False, and nothing changes, when one with its id is there already. */
  add(range: Cidr, value: Value): boolean {
    return this.#edit(range, (values) => {
      // A literal, because an array made by spreading has room for 16 more: a third of all memory here.
      if (values.length === 0) return [value];
      if (values.some((other) => other.id === value.id)) return undefined;
      return [...values, value].sort((left, right) => left.id - right.id);
    });
  }

  /** Removes the value with this id at a range. False, and nothing changes, when it isn't there. */
  remove(range: Cidr, id: number): boolean {
    return this.#edit(range, (values) => {
      const rest = values.filter((value) => value.id !== id);
      return rest.length === values.length ? undefined : rest;
    });
  }

  /** The set as it stands. The builder may go on; what it built doesn't change any more. */
  build(): IpSet<Value> {
    this.#owner = Symbol("builder");
    return this.#make(this.#root4, this.#root6, this.#size);
  }

  /** Replaces the values at a range by what `change` makes of them; `undefined` = leave all as it is. */
  #edit(range: Cidr, change: (values: readonly Value[]) => readonly Value[] | undefined): boolean {
    const isIpv4 = range.address.family === 4;
    const root = isIpv4 ? this.#root4 : this.#root6;
    const before = valuesAt(root, range);
    const after = change(before);
    if (after === undefined) return false;
    const changed = replaceValues(root, range, after, this.#owner);
    if (isIpv4) this.#root4 = changed;
    else this.#root6 = changed;
    this.#size += after.length - before.length;
    return true;
  }
}

function countNodes<Value>(node: Root<Value>): number {
  return node === undefined ? 0 : 1 + countNodes(node.zero) + countNodes(node.one);
}

function valuesAt<Value>(root: Root<Value>, range: Cidr): readonly Value[] {
  let node = root;
  while (node !== undefined && node.bits <= range.prefixLength && covers(node, range.address)) {
    if (node.bits === range.prefixLength) return node.values;
    node = bitAt(range.address, node.bits) === 0 ? node.zero : node.one;
  }
  return NOTHING;
}

/** The trie with `values` at `range`. Depth is bounded by the address length, so recursion is too. */
function replaceValues<Value>(
  node: Root<Value>,
  range: Cidr,
  values: readonly Value[],
  owner: symbol,
): Root<Value> {
  if (node === undefined) return values.length === 0 ? undefined : leaf(range, values, owner);
  const common = commonBits(node, range);
  if (common === node.bits && common === range.prefixLength) {
    const own = ownedBy(node, owner);
    own.values = values;
    return withoutNeedlessNode(own);
  }
  if (common === node.bits) {
    const own = ownedBy(node, owner);
    if (bitAt(range.address, common) === 0) own.zero = replaceValues(own.zero, range, values, owner);
    else own.one = replaceValues(own.one, range, values, owner);
    return withoutNeedlessNode(own);
  }
  if (values.length === 0) return node; // nothing to remove: no node is here
  const added = leaf(range, values, owner);
  if (common === range.prefixLength) return withChild(added, node);
  return withChild(withChild(branch(range.address, common, owner), node), added);
}

function withChild<Value>(parent: Node<Value>, child: Node<Value>): Node<Value> {
  if (bitAt(child, parent.bits) === 0) parent.zero = child;
  else parent.one = child;
  return parent;
}

/** A node without values and with at most one child has nothing to say. */
function withoutNeedlessNode<Value>(node: Node<Value>): Root<Value> {
  if (node.values.length > 0 || (node.zero !== undefined && node.one !== undefined)) return node;
  return node.zero ?? node.one;
}

function ownedBy<Value>(node: Node<Value>, owner: symbol): Node<Value> {
  return node.owner === owner ? node : { ...node, owner };
}

function leaf<Value>(range: Cidr, values: readonly Value[], owner: symbol): Node<Value> {
  const node = branch<Value>(range.address, range.prefixLength, owner);
  node.values = values;
  return node;
}

function branch<Value>(words: Words, bits: number, owner: symbol): Node<Value> {
  return {
    bits,
    word0: maskWord(words.word0, bits) | 0,
    word1: maskWord(words.word1, bits - 32) | 0,
    word2: maskWord(words.word2, bits - 64) | 0,
    word3: maskWord(words.word3, bits - 96) | 0,
    values: NOTHING,
    zero: undefined,
    one: undefined,
    owner,
  };
}

interface Words {
  readonly word0: number;
  readonly word1: number;
  readonly word2: number;
  readonly word3: number;
}

function wordAt(words: Words, index: number): number {
  return index === 0 ? words.word0 : index === 1 ? words.word1 : index === 2 ? words.word2 : words.word3;
}

function bitAt(words: Words, bit: number): 0 | 1 {
  return ((wordAt(words, bit >>> 5) >>> (31 - (bit & 31))) & 1) as 0 | 1;
}

/** Number of leading bits that a node and a range share, at most the shorter one's. */
function commonBits<Value>(node: Node<Value>, range: Cidr): number {
  const limit = Math.min(node.bits, range.prefixLength);
  for (let bit = 0; bit < limit; bit += 32) {
    const difference = wordAt(node, bit >>> 5) ^ wordAt(range.address, bit >>> 5);
    if (difference !== 0) return Math.min(limit, bit + Math.clz32(difference));
  }
  return limit;
}

function covers<Value>(node: Node<Value>, words: Words): boolean {
  const bits = node.bits;
  return sharesBits(words.word0, node.word0, bits) &&
    (bits <= 32 || (sharesBits(words.word1, node.word1, bits - 32) &&
      (bits <= 64 || (sharesBits(words.word2, node.word2, bits - 64) &&
        (bits <= 96 || sharesBits(words.word3, node.word3, bits - 96))))));
}

/** Whether two words share their first `bits` bits, signed or not. */
function sharesBits(left: number, right: number, bits: number): boolean {
  return Math.clz32(left ^ right) >= Math.min(bits, 32);
}
