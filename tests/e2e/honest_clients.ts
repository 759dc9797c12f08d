/**
 * Honest clients that come while something else is done to the proxy.
 *
 * @module
 */

import assert from "node:assert/strict";
import { pause } from "./eventually.ts";
import { L7Client } from "./l7_client.ts";

/** Between two visits: fewer than any rate that scenarios allow. */
const BETWEEN_MS = 50;
/** What honest clients ask for over HTTP. */
export const HONEST_PATH = "/honest";

/** Visits again and again while `work` lasts, once at least. @returns what came of both */
export async function besides<Result, Visit>(
  work: Promise<Result>,
  visit: (index: number) => Promise<Visit>,
): Promise<[Result, readonly Visit[]]> {
  let isOver = false;
  const visits: Visit[] = [];
  const visiting = (async () => {
    do {
      visits.push(await visit(visits.length));
      await pause(BETWEEN_MS);
    } while (!isOver);
  })();
  // Both at once: a visit that fails while the work goes on must fail the test, and not the whole run.
  const [result] = await Promise.all([work.finally(() => isOver = true), visiting]);
  return [result, visits];
}

/** An HTTP client's whole visit to a route, verified by `authority` (PEM): it is answered 200. */
export async function visitOverHttp(addr: string, name: string, authority: string): Promise<void> {
  using client = await L7Client.open(addr, name, authority);
  assert.equal(await client.get(HONEST_PATH), 200);
  await client.close();
}
