/**
 * A client of the admin API on `@grpc/grpc-js` that comes as many: a program of its own, because `node:http2` under it can
 * end the process that it is in. Prints by identity the codes of a reading and of a changing call.
 *
 * Arguments: the server's address, the file of its CA, and as JSON a list of `{name, certificate, key, change}`: two
 * files, empty = none, and an AddRouteRequest in hex.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import * as grpc from "@grpc/grpc-js";
import { print } from "../support/print.ts";

interface Identity {
  readonly name: string;
  readonly certificate: string;
  readonly key: string;
  readonly change: string;
}

const SERVICE = "/mc_proxy.v1.ProxyAdminService/";
const CALL_MS = 20_000;

const [addr = "", ca = "", list = "[]"] = Deno.args;

async function main(): Promise<void> {
  const codes: Record<string, number[]> = {};
  for (const { name, certificate, key, change } of JSON.parse(list) as Identity[]) {
    const isBare = certificate === "";
    const credentials = grpc.credentials.createSsl(
      readFileSync(ca),
      isBare ? null : readFileSync(key),
      isBare ? null : readFileSync(certificate),
    );
    const client = new grpc.Client(addr, credentials, {
      // It takes no address for the server's name.
      "grpc.ssl_target_name_override": "admin.test",
      "grpc.default_authority": "admin.test",
    });
    codes[name] = [
      await codeOf(client, "ListRoutes", new Uint8Array(0)),
      await codeOf(client, "AddRoute", Uint8Array.fromHex(change)),
    ];
    client.close();
  }
  print(JSON.stringify(codes));
  Deno.exit(0);
}

function codeOf(client: grpc.Client, method: string, request: Uint8Array): Promise<number> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      SERVICE + method,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes) => bytes,
      request,
      new grpc.Metadata(),
      { deadline: Date.now() + CALL_MS },
      (error) => resolve(error === null ? 0 : error.code ?? -1),
    );
  });
}

if (import.meta.main) void main();
