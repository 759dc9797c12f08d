/**
 * Who listens where, as the kernel tells it: proc_net_tcp of the kernel's documentation.
 *
 * @module
 */

import type { Endpoint } from "../state/model.ts";
import { formatIpBytes } from "../wire/ip_bytes.ts";

const LISTEN = "0A";

/** Inodes of the sockets that listen on exactly this address; several with reusePort. */
export async function listeningInodes(address: Endpoint): Promise<string[]> {
  const tables = await Promise.all(
    ["/proc/net/tcp", "/proc/net/tcp6"].map((path) => Deno.readTextFile(path).catch(() => "")),
  );
  return tables.flatMap((table) => parseListening(table))
    .filter(({ host, port }) => host === address.host && port === address.port)
    .map(({ inode }) => inode);
}

/** A listening socket. */
export interface ListeningSocket extends Endpoint {
  /** As `/proc/PID/fd` names it. */
  readonly inode: string;
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
