/**
 * How many TCP sockets this process holds, connecting ones included. The runtime has others of its own, and makes
 * them when it likes.
 *
 * @module
 */

import { descriptors } from "../support/processes.ts";

/** Counts them now; needs `--allow-all`. */
export function tcpSockets(): number {
  const lines = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) =>
    Deno.readTextFileSync(path).split("\n")
  );
  const inodes = new Set(lines.map((line) => line.trim().split(/\s+/)[9]));
  const own = [...descriptors(Deno.pid).values()].map((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1]);
  return own.filter((inode) => inode !== undefined && inodes.has(inode)).length;
}
