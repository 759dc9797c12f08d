/**
 * Our own client of the admin API, as scenarios use it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { type AdminClient, connectAdmin } from "../../src/admin/client.ts";
import { ErrorDetailSchema } from "../../src/admin/gen/mc_proxy/v1/admin_pb.ts";
import { FirewallRuleType } from "../../src/admin/gen/mc_proxy/v1/configuration_pb.ts";

/** The table of an admin API on a Unix socket beside the configuration. */
export const ADMIN_SOCKET = { addr: "unix:admin.sock" } as const;

/** A client of the program whose configuration is in `folder` and has {@linkcode ADMIN_SOCKET}. */
export function adminOf(folder: string): Promise<AdminClient> {
  const addr = `unix:${folder}/admin.sock`;
  return connectAdmin({ addr, tlsCert: "", serverCa: "", clientCert: "", clientKey: "" });
}

/** Adds one more firewall rule. @returns the revision */
export async function addRule(folder: string): Promise<number> {
  await using admin = await adminOf(folder);
  const { rules } = await admin.api.getFirewallRules({});
  const value = `192.0.2.${rules.length + 1}`;
  return (await admin.api.addFirewallRule({ rule: { type: FirewallRuleType.IP, value } })).revision;
}

/** What a call is refused with. */
export interface Refusal {
  /** Name of the code; `none` = the call was answered. */
  readonly code: string;
  /** The field that the detail names; empty = none. */
  readonly field: string;
  /** The revision that the detail names; 0 = none. */
  readonly revision: number;
  readonly message: string;
}

/** How a call ends. */
export async function refusalOf(call: Promise<unknown>): Promise<Refusal> {
  try {
    await call;
    return { code: "none", field: "", revision: 0, message: "" };
  } catch (error) {
    assert.ok(error instanceof ConnectError, String(error));
    const [detail] = error.findDetails(ErrorDetailSchema);
    return {
      code: Code[error.code]!,
      field: detail?.field ?? "",
      revision: detail?.currentRevision ?? 0,
      message: error.rawMessage,
    };
  }
}

/** The code of what a call throws. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  return (await refusalOf(call)).code;
}
