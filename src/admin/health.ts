/**
 * The standard health service: the whole server, and each of its services.
 *
 * @module
 */

import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "./gen/grpc/health/v1/health_pb.ts";
import { quote } from "../state/issue.ts";
import { ProxyAdminService } from "./gen/mc_proxy/v1/admin_pb.ts";

/** Names of what can be asked for; empty = the whole server. */
const KNOWN: ReadonlySet<string> = new Set(["", ProxyAdminService.typeName, Health.typeName]);

/** Whether the server serves, and who wants to know when that changes. */
export class HealthState {
  #isServing = true;
  readonly #watchers = new Set<() => void>();

  /** Says that the server is about to stop. */
  drain(): void {
    this.#isServing = false;
    for (const wake of this.#watchers) wake();
  }

  /** The answer for a service. */
  statusOf(service: string): ServingStatus {
    if (!KNOWN.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return this.#isServing ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  /** Waits for a change, or for the end of interest. */
  async changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#watchers.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    this.#watchers.delete(resolve);
  }
}

/** The implementation. */
export function healthService(state: HealthState): ServiceImpl<typeof Health> {
  return {
    check: ({ service }) => {
      const status = state.statusOf(service);
      if (status === ServingStatus.SERVICE_UNKNOWN) {
        throw new ConnectError(`there is no service ${quote(service)}`, Code.NotFound);
      }
      return { status };
    },
    async *watch({ service }, { signal }) {
      let told: ServingStatus | undefined;
      while (!signal.aborted) {
        const status = state.statusOf(service);
        if (status !== told) yield { status };
        told = status;
        if (state.statusOf(service) === told) await state.changed(signal);
      }
      signal.throwIfAborted();
    },
  };
}
