/**
 * The admin API of a running server, from its composition root's parts to a listening socket.
 *
 * @module
 */

import type { GrpcSettings } from "../state/settings.ts";
import { HealthState } from "./health.ts";
import type { ControlPlane } from "./control_plane.ts";
import { runningPlane, type ServerParts } from "./running_plane.ts";
import { AdminServer } from "./server.ts";
import { adminHandlers } from "./service.ts";

/** A running admin API. */
export class Admin {
  readonly #health: HealthState;
  readonly #server: AdminServer;
  readonly #plane: ControlPlane;
  readonly #onRefused: (detail: string) => void;

  private constructor(
    health: HealthState,
    server: AdminServer,
    plane: ControlPlane,
    onRefused: (detail: string) => void,
  ) {
    this.#plane = plane;
    this.#onRefused = onRefused;
    this.#health = health;
    this.#server = server;
  }

  /**
   * Listens and answers.
   *
   * @param onRefused told of clients that were turned away, and of certificates that were
   * @throws ProxyError busy or unavailable when it can't listen, or a certificate can't be used
   */
  static async start(
    settings: GrpcSettings,
    parts: ServerParts,
    onRefused: (detail: string) => void,
  ): Promise<Admin> {
    const health = new HealthState();
    const started: { server?: AdminServer } = {};
    const plane = runningPlane(parts, {
      reload: async () => await started.server?.reload(),
      release: async (kept) => await started.server?.release(kept),
      retake: async () => await started.server?.resume(),
    });
    const handlers = adminHandlers(plane, health, settings.reflection);
    started.server = await AdminServer.start({ settings, handlers, onRefused });
    return new Admin(health, started.server, plane, onRefused);
  }

  /** Reads all files again, its own certificates too. Never throws: log and status say what failed. */
  async reload(): Promise<void> {
    for (const { what, problem } of await this.#plane.reload()) {
      if (what === "grpc" && problem !== undefined) this.#onRefused(problem);
    }
  }

  /** Says NOT_SERVING from now on. */
  drain(): void {
    this.#health.drain();
  }

  /** Stops listening and ends every call. */
  async close(): Promise<void> {
    await this.#server.close();
  }
}
