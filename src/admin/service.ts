/**
 * Every method that the admin API answers.
 *
 * @module
 */

import { createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { MESSAGE_BYTES_MAX, TIMEOUT_MS_MAX } from "./call_limits.ts";
import { configurationService } from "./configuration_service.ts";
import type { ControlPlane } from "./control_plane.ts";
import { explainService } from "./explain_service.ts";
import { Health } from "./gen/grpc/health/v1/health_pb.ts";
import { ProxyAdminService } from "./gen/mc_proxy/v1/admin_pb.ts";
import { handoverService } from "./handover_service.ts";
import { healthService, type HealthState } from "./health.ts";
import { operationService } from "./operation_service.ts";
import { addReflection } from "./reflection.ts";
import { revisionService } from "./revision_service.ts";

/** gRPC's handlers of all services. @param reflection whether the server describes itself */
export function adminHandlers(
  plane: ControlPlane,
  health: HealthState,
  reflection: boolean,
): UniversalHandler[] {
  const router = createConnectRouter({
    grpc: true,
    connect: false,
    grpcWeb: false,
    readMaxBytes: MESSAGE_BYTES_MAX,
    maxTimeoutMs: TIMEOUT_MS_MAX,
  });
  router.service(ProxyAdminService, {
    ...configurationService(plane),
    ...revisionService(plane),
    ...explainService(plane),
    ...operationService(plane),
    ...handoverService(plane),
  });
  router.service(Health, healthService(health));
  if (reflection) addReflection(router, [ProxyAdminService, Health]);
  return [...router.handlers];
}
