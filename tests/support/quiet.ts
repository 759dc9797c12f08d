/**
 * The end of every scenario that isn't about trouble: the program is told to stop, and then nothing may have gone
 * wrong that the scenario itself wouldn't see.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { LogEvent } from "./program.ts";
import { type Proxy, type ProxyTables, startProxy } from "./proxy.ts";

/** Whether a line of the log tells of a connection. */
export function isConnection(event: LogEvent): boolean {
  return event["event"] === "connection";
}

/**
 * Starts the program, lets `use` do its work, stops the program with SIGTERM and checks that it was quiet: exit 0,
 * nothing on standard error, no line above `info` (a lost worker, a worker's stderr, a defect), no event dropped, no
 * connection cut, no id told twice.
 *
 * @returns the event of every connection, in the order of the log
 */
export async function serveQuietly(
  tables: ProxyTables,
  use: (proxy: Proxy) => Promise<void>,
): Promise<readonly LogEvent[]> {
  await using proxy = await startProxy(tables);
  await use(proxy);
  return await stopQuietly(proxy);
}

/** The second half of {@linkcode serveQuietly}. */
export async function stopQuietly({ program }: Proxy): Promise<readonly LogEvent[]> {
  program.signal("SIGTERM");
  const { code, stderr } = await program.completed();
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  assert.deepEqual(program.events.filter(({ level }) => level !== "info"), []);
  const { cut, events_dropped } = program.events.at(-1)!;
  assert.deepEqual({ cut, events_dropped }, { cut: 0, events_dropped: 0 });
  const connections = program.events.filter(isConnection);
  assert.equal(new Set(connections.map(({ id }) => id)).size, connections.length, "an id was told twice");
  return connections;
}

/**
 * The same for a scenario whose end isn't quiet, because it cuts connections or logs more: stops the program, and
 * checks that no worker was lost or replaced, and that nothing went unhandled.
 *
 * @returns how many connections were cut
 */
export async function stopWithoutFault({ program }: Proxy): Promise<number> {
  program.signal("SIGTERM");
  const { code, stderr } = await program.completed();
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
  const faults = program.events.filter(({ level }) => level === "warning" || level === "error");
  assert.deepEqual(faults, []);
  const { cut, worker_restarts } = program.events.at(-1)!;
  assert.equal(worker_restarts, 0);
  return Number(cut);
}
