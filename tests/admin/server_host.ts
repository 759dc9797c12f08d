/**
 * An admin server of its own with a health service, its certificates in a folder, and a client for it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Code, ConnectError, createClient, createConnectRouter } from "@connectrpc/connect";
import { createTransport } from "@connectrpc/connect/protocol-grpc";

import { MESSAGE_BYTES_MAX } from "../../src/admin/call_limits.ts";
import { CALLER } from "../../src/admin/caller.ts";
import { type ClientConn, ClientSession } from "../../src/admin/client_session.ts";
import { Health } from "../../src/admin/gen/grpc/health/v1/health_pb.ts";
import { healthService, HealthState } from "../../src/admin/health.ts";
import { AdminServer } from "../../src/admin/server.ts";
import { loadNative } from "../../src/net/native.ts";
import type { GrpcSettings } from "../../src/state/settings.ts";
import { freePort } from "../support/ports.ts";
import { CertificateAuthority, type LeafOptions } from "../support/certificates.ts";

/** Without an address. */
export const SETTINGS: GrpcSettings = {
  addr: "",
  tlsCert: "",
  tlsKey: "",
  clientCa: "",
  allowedClients: ["ops.test"],
  readOnlyClients: ["looker"],
  insecure: false,
  reflection: false,
  clientCert: "",
  clientKey: "",
  serverCa: "",
};

// Once for the process: a test that loads it would count as leaking it.
loadNative();

/** A folder with a server's certificate and an authority's, and a server on it. */
export class Host implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "mc-proxy-admin-" });
  readonly health = new HealthState();
  readonly refused: string[] = [];
  readonly callers: string[] = [];
  /** The server's clock; absent = the machine's. */
  unixMs: number | undefined;
  #server: AdminServer | undefined;

  constructor(readonly serverCa: CertificateAuthority) {}

  static async start(settings: Partial<GrpcSettings> = {}, clientCa?: CertificateAuthority): Promise<Host> {
    const host = new Host(await CertificateAuthority.create("CN=server CA"));
    const { certificate, key } = await host.serverCa.issue({ names: ["127.0.0.1"] });
    host.write("server.crt", certificate);
    host.write("server.key", key);
    if (clientCa !== undefined) host.write("client_ca.crt", clientCa.certificate);
    await host.#listen(settings, clientCa !== undefined);
    return host;
  }

  write(name: string, text: string): void {
    Deno.writeTextFileSync(`${this.folder}/${name}`, text);
  }

  async #listen(settings: Partial<GrpcSettings>, hasClientCa: boolean): Promise<void> {
    const router = createConnectRouter({
      grpc: true,
      connect: false,
      grpcWeb: false,
      readMaxBytes: MESSAGE_BYTES_MAX,
    });
    router.service(Health, {
      ...healthService(this.health),
      check: (_request, { values }) => {
        const { author, mayChange } = values.get(CALLER);
        this.callers.push(`${author} ${mayChange}`);
        return { status: 1 };
      },
    });
    const path = (name: string) => `${this.folder}/${name}`;
    this.#server = await AdminServer.start({
      settings: {
        ...SETTINGS,
        addr: `127.0.0.1:${freePort()}`,
        tlsCert: path("server.crt"),
        tlsKey: path("server.key"),
        clientCa: hasClientCa ? path("client_ca.crt") : "",
        ...settings,
      },
      handlers: [...router.handlers],
      onRefused: (client, detail) => this.refused.push(`${client} ${detail}`),
      unixNow: () => this.unixMs ?? Date.now(),
    });
  }

  get server(): AdminServer {
    return this.#server!;
  }

  /** Connects with TLS; with a client's certificate where one is given. */
  async connect(options: LeafOptions | undefined, signer?: CertificateAuthority): Promise<Deno.TlsConn> {
    const pair = options === undefined ? undefined : await signer!.issue(options);
    const conn = await Deno.connectTls({
      hostname: "127.0.0.1",
      port: this.server.port,
      caCerts: [this.serverCa.certificate],
      alpnProtocols: ["h2"],
      ...(pair !== undefined && { cert: pair.certificate, key: pair.key }),
    });
    return conn;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.close();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

/** Makes one call on a connection. @returns `ok`, or the code that it ended with */
export async function check(conn: ClientConn, bytes = 0): Promise<string> {
  const session = new ClientSession(conn);
  try {
    const transport = createTransport({
      httpClient: (request) => session.send(request),
      baseUrl: "http://mc-proxy",
      useBinaryFormat: true,
      interceptors: [],
      acceptCompression: [],
      sendCompression: null,
      compressMinBytes: 1 << 30,
      readMaxBytes: 1 << 20,
      writeMaxBytes: 1 << 30,
    });
    await createClient(Health, transport).check({ service: "x".repeat(bytes) });
    return "ok";
  } catch (error) {
    assert.ok(error instanceof ConnectError);
    return Code[error.code]!;
  } finally {
    await session.close();
  }
}
