/**
 * Who listens where, as the kernel tells it: proc_net_tcp of the kernel's documentation.
 *
 * @module
 */

import type { Endpoint } from "../state/model.ts";
import { formatIpBytes } from "../wire/ip_bytes.ts";

/** A listening socket. */
export interface ListeningSocket extends Endpoint {
  /** As `/proc/PID/fd` names it. */
  readonly inode: string;
}

/** Of this process: a service's `/proc` may hold processes alone (ProcSubset=pid), and then has no `/proc/net`. */
const TABLES = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];
const LISTEN = "0A";
const READ_BYTES = 65_536;
/** Some thousand listening sockets. */
const TABLE_BYTES_MAX = 1 << 20;

/** Every listening socket of this network namespace. @returns `undefined` where the kernel doesn't tell */
export function listeningSockets(): ListeningSocket[] | undefined {
  const found: ListeningSocket[] = [];
  for (const [index, path] of TABLES.entries()) {
    try {
      found.push(...parseListening(readListening(path)));
    } catch (error) {
      // Without IPv6 there is no second table.
      if (index === 0 || !(error instanceof Deno.errors.NotFound)) return undefined;
    }
  }
  return found;
}

/** The listening ones come first: connections, of which there may be a hundred thousand, are not read. */
function readListening(path: string): string {
  using file = Deno.openSync(path);
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(READ_BYTES);
  let text = "";
  while (text.length < TABLE_BYTES_MAX) {
    const count = file.readSync(buffer);
    if (count === null) break;
    const part = decoder.decode(buffer.subarray(0, count));
    text += part;
    if (/^ *\d+: \S+ \S+ (?!0A )/m.test(part)) break;
  }
  return text;
}

/** The listening sockets of a table of `/proc/net/tcp` or `tcp6`. */
export function parseListening(table: string): ListeningSocket[] {
  return table.split("\n").flatMap((line) => {
    const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/ +/);
    const [address = "", port = ""] = local.split(":");
    if (state !== LISTEN || !/^([0-9A-F]{8}){1,4}$/.test(address)) return [];
    return [{ host: formatIpBytes(bytesOf(address)), port: Number.parseInt(port, 16), inode }];
  });
}

/** Words of 32 bits, each in the byte order of the host, which is the little one on all that we build for. */
function bytesOf(address: string): Uint8Array {
  const words = address.match(/.{8}/g) ?? [];
  return Uint8Array.from(
    words.flatMap((word) => [6, 4, 2, 0].map((at) => Number.parseInt(word.slice(at, at + 2), 16))),
  );
}
