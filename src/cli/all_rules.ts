/**
 * All firewall rules of a server, which may be more than one answer holds.
 *
 * @module
 */

import type { AdminClient } from "../admin/client.ts";
import { ProxyError } from "../errors.ts";

/** What a server answers. */
export type Rules = Awaited<ReturnType<AdminClient["api"]["getFirewallRules"]>>;

/** Rules that are asked for at once. */
const PAGE = 20_000;
/** Readings that another change may come into. */
const TRIES = 5;

/** Reads them page by page, all of one revision. @throws ProxyError unavailable when they change again and again */
export async function allRules(api: AdminClient["api"]): Promise<Rules> {
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const told = await api.getFirewallRules({ limit: PAGE });
    if (await addRest(api, told)) return told;
  }
  throw new ProxyError("unavailable", "the firewall rules change while they are read; try again later");
}

/** @returns false when another revision has come between */
async function addRest(api: AdminClient["api"], told: Rules): Promise<boolean> {
  for (let count = PAGE; told.rules.length === count; count += PAGE) {
    const { rules, revision } = await api.getFirewallRules({ limit: PAGE, after: told.rules.at(-1)!.id });
    if (revision !== told.revision) return false;
    for (const rule of rules) told.rules.push(rule);
  }
  return true;
}
