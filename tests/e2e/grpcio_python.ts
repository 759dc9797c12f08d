/**
 * A Python that has grpcio.
 *
 * @module
 */

import { runCommand } from "../support/command.ts";
import { print } from "../support/print.ts";

/** Where Python may be: `python3` in a PATH need not be the one that Debian's packages are for. */
const PYTHONS = ["python3", "/usr/bin/python3"];

/** Its path; undefined, and a line that says so, where there is none. */
export async function findGrpcioPython(): Promise<string | undefined> {
  for (const path of PYTHONS) {
    const { code } = await runCommand(path, ["-c", "import grpc"]).catch(() => ({ code: -1 }));
    if (code === 0) return path;
  }
  print("skipped: no Python has grpcio; Debian's package is python3-grpcio");
  return undefined;
}
