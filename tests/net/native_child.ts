/**
 * The other process of the tests of native.ts: `native_child.ts facts FD BYTES` or `native_child.ts alarm TAKE_BACK`.
 *
 * @module
 */

import { armAlarm, fileLimit, loadNative, mapMemoryFile, monotonicMs } from "../../src/net/native.ts";
import { print } from "../support/print.ts";

/** What the child says of itself, one line of JSON. */
export interface ChildFacts {
  readonly fileLimit: number;
  readonly monotonicMs: number;
  /** The first word of the memory file, which the child then doubles. */
  readonly word: number;
}

async function main([kind, ...args]: string[]): Promise<void> {
  loadNative();
  if (kind === "alarm") {
    armAlarm(1);
    if (args[0] === "yes") armAlarm(0);
    await new Promise((resolve) => setTimeout(resolve, args[0] === "yes" ? 1_200 : 10_000));
    return;
  }
  const words = new Int32Array(mapMemoryFile(Number(args[0]), Number(args[1])));
  const facts: ChildFacts = { fileLimit: fileLimit(), monotonicMs: monotonicMs(), word: words[0]! };
  words[0] = words[0]! * 2;
  print(JSON.stringify(facts));
}

if (import.meta.main) main(Deno.args);
