/**
 * The call by which a newly started process takes this one's place.
 *
 * @module
 */

import type { ServiceImpl } from "@connectrpc/connect";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ProxyError } from "../errors.ts";
import { CALLER, type Caller } from "./caller.ts";
import type { ControlPlane } from "./control_plane.ts";
import { toConnectError } from "./errors.ts";
import { HandoverStep, type ProxyAdminService } from "./gen/mc_proxy/v1/admin_pb.ts";

/** The implementation. */
export function handoverService(
  plane: ControlPlane,
): Pick<ServiceImpl<typeof ProxyAdminService>, "handover"> {
  return {
    async *handover(requests, { values, signal }) {
      const gone = new AbortController();
      const abort = (): void => gone.abort();
      signal.addEventListener("abort", abort, { once: true });
      try {
        const caller = values.get(CALLER);
        const { pid } = processOf(caller);
        const said = requests[Symbol.asyncIterator]();
        const first = await said.next();
        if (first.done === true || first.value.database === "") {
          throw new ProxyError("invalid", "database: wanted a path, got nothing", { field: "database" });
        }
        await plane.handover.release({
          pid,
          databasePath: first.value.database,
          gone: gone.signal,
          releaseSocket: () => plane.adminSocket.release(caller),
          retakeSocket: () => plane.adminSocket.retake(),
        });
        const { watchdogMs } = plane;
        yield {
          step: HandoverStep.RELEASED,
          ...(watchdogMs !== undefined && { watchdog: durationFromMs(watchdogMs) }),
        };
        const second = await said.next();
        if (second.done === true || !second.value.isServing) {
          throw new ProxyError("invalid", "is_serving: wanted true", { field: "is_serving" });
        }
        await plane.handover.commit();
        yield { step: HandoverStep.DRAINING };
      } catch (error) {
        throw toConnectError(error, plane.store.revision);
      } finally {
        // However the call ends: what was not committed is called off.
        gone.abort();
      }
    },
  };
}

/** @throws ProxyError forbidden for a caller from elsewhere, or of another user */
function processOf({ author, process }: Caller): { readonly pid: number } {
  if (process === undefined) {
    throw new ProxyError("forbidden", `${author}: a hand-over is asked for over the Unix socket alone`);
  }
  const uid = Deno.uid();
  if (process.uid === uid) return process;
  // The kernel shares a port between processes of one user alone.
  throw new ProxyError(
    "forbidden",
    `${author}: only a process of uid ${uid} can take over, for it shares the ports`,
  );
}
