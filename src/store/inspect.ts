/**
 * A look at a database beside whoever serves it.
 *
 * @module
 */

import type { Configuration } from "../state/model.ts";
import { checkIntegrity, openReadOnly } from "./open.ts";
import { readConfiguration } from "./records.ts";
import { readCurrentNumber } from "./revisions.ts";
import { guarded } from "./sqlite_error.ts";

/** What a database holds. */
export interface Inspection {
  /** The current revision. */
  readonly revision: number;
  /** Its content. */
  readonly configuration: Configuration;
}

/**
 * Reads every page of a database and says what is in it. Opens it for reading only and takes no lock of ours: a server
 * goes on reading and writing meanwhile.
 *
 * @param path an existing file
 * @throws {ProxyError} `database` when it is unsound, not ours or of a newer schema; `busy` when another program holds
 * it exclusively
 */
export function inspectDatabase(path: string): Inspection {
  return guarded(path, () => {
    if (isThere(`${path}-wal`)) return inspect(path, false);
    try {
      return inspect(path, true);
    } catch {
      // Damage, or somebody has begun to write meanwhile: only the second look tells which.
      return inspect(path, false);
    }
  });
}

function inspect(path: string, isStill: boolean): Inspection {
  using database = openReadOnly(path, isStill);
  checkIntegrity(database, path, "full");
  return { revision: readCurrentNumber(database), configuration: readConfiguration(database) };
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
