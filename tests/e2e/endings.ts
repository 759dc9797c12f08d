/**
 * The ends of connections that a scenario has closed itself.
 *
 * @module
 */

import type { Proxy } from "../support/proxy.ts";
import { isConnection } from "../support/quiet.ts";
import { eventually } from "./eventually.ts";

/** Waits for the events of that many connections: a stop would find some still there, and drain those of layer 7. */
export async function endings({ program }: Proxy, count: number): Promise<void> {
  await eventually(
    `${count} connections that have ended`,
    () => program.events.filter(isConnection).length >= count,
  );
}
