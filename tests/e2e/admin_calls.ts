/**
 * What calls of the admin API are made of in tests of what it refuses.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import type { AdminClient } from "../../src/admin/client.ts";
import { type Operation, OperationSchema } from "../../src/admin/gen/mc_proxy/v1/admin_pb.ts";
import {
  FirewallRuleType,
  type Listener,
  ListenerSchema,
  type Route,
  RouteSchema,
} from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";

/** Nobody listens there. */
export const BACKEND = "127.0.0.1:1";
/** A rule that nobody has. */
export const IP = { type: FirewallRuleType.IP, value: "192.0.2.1" };
/** A rule that is there. */
export const STANDING = { type: FirewallRuleType.IP, value: "192.0.2.9" };
/** A range with host bits. */
export const BAD_RANGE = { type: FirewallRuleType.CIDR, value: "192.0.2.1/24" };

type Api = AdminClient["api"];
/** Makes a call. */
export type Call = (api: Api, place: Place) => Promise<unknown>;

/** Addresses that rows need. */
export interface Place {
  /** The first listener's, which has the routes `a.test` and `b.test`; and the second one's. */
  readonly first: string;
  readonly second: string;
  /** Where another program listens. */
  readonly taken: string;
}

/** Code, field, what the message must say, and the call. */
export type Row = readonly [code: string, field: string, message: RegExp, call: Call];

/** A route that nobody has. */
export function route(more: object = {}): Route {
  return create(RouteSchema, { hostname: "new.test", backend: BACKEND, ...more });
}

/** A listener. */
export function listener(addr: string, more: object = {}): Listener {
  return create(ListenerSchema, { addr, ...more });
}

/** Steps of an Apply. */
export function applied(...operations: Operation["operation"][]): Operation[] {
  return operations.map((operation) => create(OperationSchema, { operation }));
}
