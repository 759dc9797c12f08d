/**
 * The admin API of a running server, from its composition root's parts to a listening socket.
 *
 * @module
 */

import { COUNTER } from "../observe/counters.ts";
import type { Log } from "../observe/log.ts";
import type { GrpcSettings } from "../state/settings.ts";
import type { ControlPlane } from "./control_plane.ts";
import { HealthState } from "./health.ts";
import { OwnCertificates } from "./own_certificates.ts";
import { Refusals } from "./refusals.ts";
import { runningPlane, type ServerParts } from "./running_plane.ts";
import { AdminServer } from "./server.ts";
import { adminHandlers } from "./service.ts";

/** A running admin API. */
export class Admin {
  readonly #health: HealthState;
  readonly #server: AdminServer;
  readonly #plane: ControlPlane;
  readonly #own: OwnCertificates;

  private constructor(health: HealthState, server: AdminServer, plane: ControlPlane, own: OwnCertificates) {
    this.#health = health;
    this.#server = server;
    this.#plane = plane;
    this.#own = own;
  }

  /**
   * Listens and answers.
   *
   * @param log gets who was turned away, and what comes of its certificates
   * @throws ProxyError config when the address is taken, unavailable when it or a certificate can't be used
   */
  static async start(settings: GrpcSettings, parts: ServerParts, log: Log): Promise<Admin> {
    const health = new HealthState();
    const started: { server?: AdminServer } = {};
    const own = new OwnCertificates({
      paths: [settings.tlsCert, settings.tlsKey, settings.clientCa].filter((path) => path !== ""),
      read: async () => await started.server?.reload(),
      validity: () => started.server?.validity,
      onFailed: () => parts.memory.main.count(COUNTER.grpcReloadFailures),
      log,
      now: Date.now,
    });
    const refusals = new Refusals((client, detail, unlogged) => {
      log.warning("admin_refused", { client, detail, ...(unlogged > 0 && { unlogged }) });
    }, () => performance.now());
    const plane = runningPlane(parts, own, {
      release: async (kept) => await started.server?.release(kept),
      retake: async () => await started.server?.resume(),
    });
    const handlers = adminHandlers(plane, health, settings.reflection);
    await own.note();
    started.server = await AdminServer.start({
      settings,
      handlers,
      onRefused: (client, detail) => refusals.add(client, detail),
    });
    own.watch();
    return new Admin(health, started.server, plane, own);
  }

  /** Reads all files again, its own certificates too. Never throws: log and status say what failed. */
  async reload(): Promise<void> {
    await this.#plane.reload();
  }

  /** Says NOT_SERVING from now on. */
  drain(): void {
    this.#health.drain();
  }

  /** Stops listening and ends every call. */
  async close(): Promise<void> {
    this.#own[Symbol.dispose]();
    await this.#server.close();
  }
}
