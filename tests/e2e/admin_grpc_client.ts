/**
 * A client of the admin API on `@grpc/grpc-js` and the proto files, run as a program of its own: `node:http2` under it
 * can end the process that it is in. Prints what came of each kind of call as one line of JSON.
 *
 * Arguments: the server's address, the folder with the proto files, and for TLS the files of the server's CA, the
 * client's certificate and its key.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { print } from "../support/print.ts";

type Call = Record<string, (...args: unknown[]) => grpc.ClientReadableStream<unknown>>;
type Outcome = {
  readonly code: number;
  readonly details?: string;
  readonly value?: unknown;
  readonly extra?: number;
};

const [addr = "", folder = "", ca, certificate, key] = Deno.args;
const loaded = loadSync("mc_proxy/v1/admin.proto", { includeDirs: [folder], longs: Number, defaults: true });
const Service = (grpc.loadPackageDefinition(loaded) as unknown as {
  mc_proxy: { v1: { ProxyAdminService: new (...args: unknown[]) => Call & grpc.Client } };
}).mc_proxy.v1.ProxyAdminService;
const credentials = ca === undefined ? grpc.credentials.createInsecure() : grpc.credentials.createSsl(
  readFileSync(ca),
  key === undefined ? null : readFileSync(key),
  certificate === undefined ? null : readFileSync(certificate),
);
const client = new Service(addr, credentials);

function unary(name: string, request: unknown, options: grpc.CallOptions = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    client[name]!(
      request,
      new grpc.Metadata(),
      options,
      (error: grpc.ServiceError | null, value: unknown) => {
        const extra = error?.metadata.get("grpc-status-details-bin").length;
        resolve(
          error === null
            ? { code: 0, value }
            : { code: error.code, details: error.details, ...(extra !== undefined && { extra }) },
        );
      },
    );
  });
}

/** Watches, makes a change of mind, and says how the stream ended. */
function cancelled(): Promise<Outcome> {
  return new Promise((resolve) => {
    const stream = client["WatchConnections"]!({});
    stream.on("data", () => {});
    stream.on("error", (error: grpc.ServiceError) => resolve({ code: error.code }));
    setTimeout(() => stream.cancel(), 50);
  });
}

async function main(): Promise<void> {
  const outcomes = {
    status: await unary("GetStatus", {}, { deadline: Date.now() + 10_000 }),
    added: await unary("AddRoute", { route: { hostname: "b.test", backend: "127.0.0.1:1" } }),
    twice: await unary("AddRoute", { route: { hostname: "b.test", backend: "127.0.0.1:1" } }),
    large: await unary("RemoveRoute", { hostname: "x".repeat(5 << 20) }),
    unknown: await unary("RemoveRoute", { id: 99 }),
    cancelled: await cancelled(),
    late: await new Promise<Outcome>((resolve) => {
      const stream = client["WatchConnections"]!({}, new grpc.Metadata(), { deadline: Date.now() + 200 });
      stream.on("data", () => {});
      stream.on("error", (error: grpc.ServiceError) => resolve({ code: error.code }));
    }),
    after: await unary("ListRoutes", {}),
  };
  print(JSON.stringify(outcomes));
  client.close();
  Deno.exit(0);
}

if (import.meta.main) void main();
