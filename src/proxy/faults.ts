/**
 * Ways for a test to see a worker fail, and to see what it can't do. Reached with `--testing-only-faults` alone.
 *
 * @module
 */

import { openLibrary } from "../net/native.ts";
import type { Fault } from "./messages.ts";

/**
 * Does what a fault says.
 *
 * @returns for those that try something forbidden: the name of the error that came, or `allowed`
 */
export async function commitFault(fault: Fault): Promise<string> {
  switch (fault) {
    case "throw":
      setTimeout(() => {
        throw new Error("told to throw");
      }, 0);
      return "thrown";
    case "hang":
      for (;;);
    case "memory": {
      const held: unknown[] = [];
      for (;;) held.push(Array.from({ length: 100_000 }, (_, index) => ({ index })));
    }
    case "read":
      return await nameOfError(() => Deno.readTextFile("/etc/hostname"));
    case "spawn":
      return await nameOfError(() => new Deno.Command("/bin/true").output());
    case "library":
      return await nameOfError(() => openLibrary("libc.so.6"));
    case "database":
      return await nameOfError(() => Deno.open("/tmp/mc-proxy-fault.db", { write: true, create: true }));
  }
}

async function nameOfError(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
    return "allowed";
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}
