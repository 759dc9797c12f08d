/**
 * Backends, dialled as a worker would dial them.
 *
 * @module
 */

import { Deadlines } from "../net/deadlines.ts";
import { dial } from "../net/dial.ts";
import { closeQuietly } from "../net/reset.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Limits } from "../state/limits.ts";
import type { Configuration, Endpoint } from "../state/model.ts";
import { error, type Finding, ok } from "./finding.ts";

/** Dials at once: few enough not to look like a scan. */
const DIALS_MAX = 32;

/**
 * Dials the backend of every enabled route, each once, side by side and with the limits that a worker has. One line for
 * each that doesn't answer and one for the others together.
 */
export async function backendFindings({ listeners }: Configuration, limits: Limits): Promise<Finding[]> {
  const backends = new Map<string, Endpoint>();
  for (const { enabled, backend, l7 } of listeners.flatMap(({ routes }) => routes)) {
    if (!enabled) continue;
    for (const each of [backend, l7?.acmeBackend]) if (each) backends.set(formatEndpoint(each), each);
  }
  const failed: Finding[] = [];
  const waiting = [...backends];
  const { connectTimeoutMs, dialTimeoutMs } = limits;
  using deadlines = new Deadlines();
  const dialNext = async () => {
    for (let next; (next = waiting.shift()) !== undefined;) {
      const [name, backend] = next;
      const outcome = await dial(backend, { deadlines, connectTimeoutMs, dialTimeoutMs });
      if (outcome.kind === "connected") closeQuietly(outcome.conn);
      else failed.push(error(`backend ${name}`, SENTENCES[outcome.kind]));
    }
  };
  await Promise.all(Array.from({ length: DIALS_MAX }, dialNext));
  const answering = backends.size - failed.length;
  const all = `${answering} of ${backends.size} can be connected to`;
  return [...answering > 0 || backends.size === 0 ? [ok("backends", all)] : [], ...failed];
}

const SENTENCES = {
  dial_failed: "nobody listens there, or its name has no address: start it, or change the route",
  dial_timeout: "no answer in time: look at the host and at what filters packets on the way",
} as const;
