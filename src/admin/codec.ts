/**
 * The words of the model and the numbers of the proto's enums, both ways.
 *
 * @module
 */

import type { RouteMatch as MatchWord } from "../policy/route_table.ts";
import type {
  BackendProtocol as ProtocolWord,
  FirewallAction as ActionWord,
  FirewallMode as ModeWord,
  FirewallRuleType as TypeWord,
  RouteMode as RouteModeWord,
} from "../state/model.ts";
import {
  BackendProtocol,
  FirewallAction,
  FirewallMode,
  FirewallRuleType,
  RevisionKind,
  RouteMode,
} from "./gen/mc_proxy/v1/configuration_pb.ts";
import { RouteMatch, Standing } from "./gen/mc_proxy/v1/explain_pb.ts";

/** Words of the model by what the proto calls them; what is unspecified has its default, or none. */
export const ROUTE_MODES: Readonly<Record<RouteMode, RouteModeWord>> = {
  [RouteMode.UNSPECIFIED]: "l4",
  [RouteMode.L4]: "l4",
  [RouteMode.L7]: "l7",
};

/** As {@linkcode ROUTE_MODES}; absent = chosen by `backend_tls`. */
export const BACKEND_PROTOCOLS: Readonly<Record<BackendProtocol, ProtocolWord | undefined>> = {
  [BackendProtocol.UNSPECIFIED]: undefined,
  [BackendProtocol.H2C]: "h2c",
  [BackendProtocol.H2]: "h2",
  [BackendProtocol.HTTP1]: "http/1.1",
};

/** As {@linkcode ROUTE_MODES}; absent = a mistake. */
export const RULE_TYPES: Readonly<Record<FirewallRuleType, TypeWord | undefined>> = {
  [FirewallRuleType.UNSPECIFIED]: undefined,
  [FirewallRuleType.IP]: "ip",
  [FirewallRuleType.CIDR]: "cidr",
  [FirewallRuleType.COUNTRY]: "country",
};

/** As {@linkcode ROUTE_MODES}. */
export const RULE_ACTIONS: Readonly<Record<FirewallAction, ActionWord>> = {
  [FirewallAction.UNSPECIFIED]: "block",
  [FirewallAction.BLOCK]: "block",
  [FirewallAction.ALLOW]: "allow",
};

/** As {@linkcode ROUTE_MODES}. */
export const RULE_MODES: Readonly<Record<FirewallMode, ModeWord>> = {
  [FirewallMode.UNSPECIFIED]: "enforce",
  [FirewallMode.ENFORCE]: "enforce",
  [FirewallMode.SHADOW]: "shadow",
};

/** Why a revision was made, as the store says it. */
type KindWord = "seed" | "rpc" | "rollback" | "revert" | "expiry";

/** The proto's number of a revision's kind. */
export const REVISION_KINDS: Readonly<Record<KindWord, RevisionKind>> = {
  seed: RevisionKind.SEED,
  rpc: RevisionKind.RPC,
  rollback: RevisionKind.ROLLBACK,
  revert: RevisionKind.REVERT,
  expiry: RevisionKind.EXPIRY,
};

/** The proto's number of a route's match. */
export const ROUTE_MATCHES: Readonly<Record<MatchWord, RouteMatch>> = {
  exact: RouteMatch.EXACT,
  wildcard: RouteMatch.WILDCARD,
  default: RouteMatch.DEFAULT,
};

/** What became of a rule or route that was considered. */
export type StandingWord = "decided" | "overridden" | "shadow" | "expired" | "chosen" | "disabled";

/** The proto's number of a standing. */
export const STANDINGS: Readonly<Record<StandingWord, Standing>> = {
  decided: Standing.DECIDED,
  chosen: Standing.DECIDED,
  overridden: Standing.OVERRIDDEN,
  shadow: Standing.SHADOW,
  expired: Standing.EXPIRED,
  disabled: Standing.DISABLED,
};

/** The key of a value, in a table whose first key, the unspecified one, isn't wanted. */
export function numberOf<Word extends string>(
  table: Readonly<Record<number, Word | undefined>>,
  word: Word,
): number {
  for (const [number, value] of Object.entries(table)) {
    if (value === word && number !== "0") return Number(number);
  }
  return 0;
}
