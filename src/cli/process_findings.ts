/**
 * The running instance as the kernel shows it: who holds the database's lock, its limits, its listening sockets.
 *
 * @module
 */

import { adminDescriptors } from "../admin/call_limits.ts";
import {
  connectionsOfDescriptors,
  effectiveLimits,
  shortForMain,
  shortOfDescriptors,
} from "../control/effective_limits.ts";
import { probeListeners } from "../net/probe.ts";
import { formatEndpoint } from "../state/listen_address.ts";
import type { Endpoint } from "../state/model.ts";
import type { Settings } from "../state/settings.ts";
import { error, type Finding, ok, warning } from "./finding.ts";
import { messageOf } from "../errors.ts";
import { listeningSockets } from "../net/listening_sockets.ts";

/** More are not counted on, see `fileLimit()`. */
const DESCRIPTORS_MAX = 1_048_576;
/** Fewer connections in all are soon used up. */
const CONNECTIONS_SCARCE = 1_000;

/** Says whether file limits suffice: of the running process, and of this shell. @param pid of main; absent = none runs */
export async function fileLimitFindings(
  { limits, grpc }: Pick<Settings, "limits" | "grpc">,
  pid: number | undefined,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const who of pid === undefined ? ["self"] : [String(pid), "self"]) {
    const what = who === "self" ? "file limit of this shell" : `file limit of process ${pid}`;
    const limit = await fileLimitOf(who);
    if (limit === undefined) {
      findings.push(
        warning(what, `this user may not read /proc/${who}/limits: run as root or the server's user`),
      );
      continue;
    }
    const effective = effectiveLimits(limits, limit);
    const shortage = shortOfDescriptors(effective, limit);
    const shortageOfMain = shortForMain(effective, adminDescriptors(grpc), limit);
    const { workers, maxConnections } = effective;
    const possible = workers * connectionsOfDescriptors(limit);
    // What a shell has says nothing of a service that runs already.
    const bad = who === "self" ? warning : error;
    if (shortageOfMain !== undefined) findings.push(bad(what, `${shortageOfMain}: raise it`));
    if (shortage !== undefined) findings.push(bad(what, `${shortage}: raise it, or lower max_connections`));
    else if (possible < CONNECTIONS_SCARCE && limits.maxConnections === 0) {
      findings.push(
        warning(what, `${limit} descriptors allow ${possible} connections: raise it (ulimit -n)`),
      );
    } else if (shortageOfMain === undefined) {
      findings.push(ok(what, `${limit} descriptors a process, enough for ${maxConnections} connections`));
    }
  }
  return findings;
}

/** The hard limit, to which the runtime raises the soft one at its start. */
async function fileLimitOf(who: string): Promise<number | undefined> {
  const text = await Deno.readTextFile(`/proc/${who}/limits`).catch(() => "");
  const hard = /^Max open files +\S+ +(\S+)/m.exec(text)?.[1];
  return hard === undefined
    ? undefined
    : hard === "unlimited"
    ? DESCRIPTORS_MAX
    : Math.min(Number(hard), DESCRIPTORS_MAX);
}

/** Says of each address whether the running instance listens there, or whether a start could. @param pid of main */
export async function portFindings(
  addresses: readonly Endpoint[],
  pid: number | undefined,
): Promise<Finding[]> {
  const owned = pid === undefined ? undefined : await socketsOf(pid);
  const sockets = listeningSockets() ?? [];
  const findings: Finding[] = [];
  for (const address of addresses) {
    const what = `port ${formatEndpoint(address)}`;
    const listening = sockets.filter(({ host, port }) => host === address.host && port === address.port);
    if (listening.some(({ inode }) => owned?.inodes.has(inode))) {
      findings.push(ok(what, `process ${pid} or its workers listen on it`));
    } else if (listening.length > 0 && owned !== undefined && !owned.isWhole) {
      findings.push(
        warning(what, "somebody listens on it; whether it is ours is for root or the server's user to see"),
      );
    } else findings.push(probed(what, address, pid));
  }
  return findings;
}

function probed(what: string, address: Endpoint, pid: number | undefined): Finding {
  try {
    probeListeners([address]);
    return pid === undefined
      ? ok(what, "free, and can be listened on")
      : error(what, `process ${pid} runs and doesn't listen on it: see its log, then restart it`);
  } catch (cause) {
    const detail = messageOf(cause);
    if (!detail.includes("not permitted")) return error(what, detail);
    return warning(what, `${detail}; run as the server's user with that capability to know more`);
  }
}

interface OwnedSockets {
  readonly inodes: ReadonlySet<string>;
  /** Whether this user could see all of them. */
  readonly isWhole: boolean;
}

async function socketsOf(pid: number): Promise<OwnedSockets> {
  const inodes = new Set<string>();
  let isWhole = true;
  for (const each of [pid, ...await childrenOf(pid)]) {
    try {
      for await (const { name } of Deno.readDir(`/proc/${each}/fd`)) {
        const target = await Deno.readLink(`/proc/${each}/fd/${name}`).catch(() => "");
        const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
        if (inode !== undefined) inodes.add(inode);
      }
    } catch (cause) {
      // A worker that has just ended holds nothing.
      if (!(cause instanceof Deno.errors.NotFound)) isWhole = false;
    }
  }
  return { inodes, isWhole };
}

async function childrenOf(pid: number): Promise<number[]> {
  const children: number[] = [];
  try {
    for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
      const text = await Deno.readTextFile(`/proc/${pid}/task/${name}/children`).catch(() => "");
      children.push(...text.split(" ").filter((word) => word !== "").map(Number));
    }
  } catch {
    // It has ended.
  }
  return children;
}
