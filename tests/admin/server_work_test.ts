import { createConnectRouter } from "@connectrpc/connect";

import { Health } from "../../src/admin/gen/grpc/health/v1/health_pb.ts";
import { AdminServer } from "../../src/admin/server.ts";
import { loadNative } from "../../src/net/native.ts";
import { FrameType } from "../../src/http2/frames.ts";
import { frame, uint32 } from "../http2/raw_peer.ts";
import { freePort } from "../support/ports.ts";
import { callHeaders, greeting, GRPC_FIELDS, lastMessage, RawGrpc } from "./raw_grpc.ts";
import { SETTINGS } from "./server_host.ts";

loadNative();

Deno.test("AdminServer ends the work of a call that is cancelled, late, or whose client has gone", async (t) => {
  const CANCEL = frame(FrameType.RST_STREAM, 0, 1, uint32(8));
  const rows: [name: string, timeout: string | undefined, end: (client: RawGrpc) => unknown][] = [
    ["cancelled", undefined, (client) => client.send(CANCEL)],
    ["late", "100m", (client) => client.line(/^HEADERS 1 trailers .*grpc-status 4 /)],
    ["gone", undefined, (client) => client[Symbol.dispose]()],
  ];
  for (const method of ["Check", "Watch"]) {
    for (const [name, timeout, end] of rows) {
      await t.step(`${method} ${name}`, async () => {
        const started = Promise.withResolvers<void>();
        const stopped = Promise.withResolvers<void>();
        const work = async (signal: AbortSignal): Promise<void> => {
          started.resolve();
          await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
          stopped.resolve();
        };
        const router = createConnectRouter({ grpc: true, connect: false, grpcWeb: false });
        router.service(Health, {
          check: async (_request, { signal }) => {
            await work(signal);
            signal.throwIfAborted();
            return {};
          },
          async *watch(_request, { signal }) {
            yield {};
            await work(signal);
            signal.throwIfAborted();
          },
        });
        const server = await AdminServer.start({
          settings: { ...SETTINGS, addr: `127.0.0.1:${freePort()}`, insecure: true },
          handlers: [...router.handlers],
          onRefused() {},
        });
        using client = new RawGrpc(await Deno.connect({ hostname: "127.0.0.1", port: server.port }));
        const fields = timeout === undefined ? GRPC_FIELDS : [...GRPC_FIELDS, "grpc-timeout", timeout];
        await client.send(
          greeting(),
          callHeaders(1, `/grpc.health.v1.Health/${method}`, fields),
          lastMessage(1),
        );
        await started.promise;
        await end(client);
        await stopped.promise;
        client[Symbol.dispose]();
        await server.close();
      });
    }
  }
});
