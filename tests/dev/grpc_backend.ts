/**
 * The demo's gRPC backend: the standard health service and reflection, over HTTP/2 in clear.
 *
 * @module
 */

import { createConnectRouter } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus } from "../../src/admin/gen/grpc/health/v1/health_pb.ts";
import { addReflection } from "../../src/admin/reflection.ts";
import { AdminServer } from "../../src/admin/server.ts";

const STATUS = { status: HealthCheckResponse_ServingStatus.SERVING };

/** Answers on a port of 127.0.0.1 that everything serves. */
export async function grpcBackend(port: number): Promise<AsyncDisposable> {
  const router = createConnectRouter({ grpc: true, connect: false, grpcWeb: false });
  router.service(Health, {
    check: () => STATUS,
    async *watch(_, { signal }) {
      yield STATUS;
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
  });
  addReflection(router, [Health]);
  const settings = {
    addr: `127.0.0.1:${port}`,
    tlsCert: "",
    tlsKey: "",
    clientCa: "",
    allowedClients: [],
    readOnlyClients: [],
    insecure: true,
    reflection: true,
    clientCert: "",
    clientKey: "",
    serverCa: "",
  };
  const server = await AdminServer.start({ settings, handlers: [...router.handlers], onRefused() {} });
  return { [Symbol.asyncDispose]: () => server.close() };
}
