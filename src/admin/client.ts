/**
 * A client of the admin API, for the program's own commands.
 *
 * @module
 */

import { type Client, createClient } from "@connectrpc/connect";
import { createTransport } from "@connectrpc/connect/protocol-grpc";
import { ProxyError } from "../errors.ts";
import { parseListenAddress } from "../state/listen_address.ts";
import type { GrpcSettings } from "../state/settings.ts";
import { MESSAGE_BYTES_MAX } from "./call_limits.ts";
import { type ClientConn, ClientSession } from "./client_session.ts";
import { ProxyAdminService } from "./gen/mc_proxy/v1/admin_pb.ts";
import { UNIX_PREFIX } from "./unix_socket.ts";

/** Where the server is and what is shown to it. */
export type ClientSettings = Pick<GrpcSettings, "addr" | "clientCert" | "clientKey" | "serverCa" | "tlsCert">;

/** A connected client. */
export interface AdminClient extends AsyncDisposable {
  /** Every call. They reject with a `ConnectError`. */
  readonly api: Client<typeof ProxyAdminService>;
}

/** How long connecting may take. */
const CONNECT_MS = 5_000;

/**
 * Connects: over TLS where the server has a certificate.
 *
 * @throws ProxyError unavailable when nobody answers there
 */
export async function connectAdmin(settings: ClientSettings): Promise<AdminClient> {
  const session = new ClientSession(await connect(settings));
  const transport = createTransport({
    httpClient: (request) => session.send(request),
    baseUrl: "http://mc-proxy",
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    readMaxBytes: MESSAGE_BYTES_MAX * 4,
    writeMaxBytes: MESSAGE_BYTES_MAX,
  });
  return {
    api: createClient(ProxyAdminService, transport),
    [Symbol.asyncDispose]: () => session.close(),
  };
}

async function connect(settings: ClientSettings): Promise<ClientConn> {
  const { addr, tlsCert, serverCa, clientCert, clientKey } = settings;
  try {
    if (addr.startsWith(UNIX_PREFIX)) {
      return await Deno.connect({ transport: "unix", path: addr.slice(UNIX_PREFIX.length) });
    }
    const address = parseListenAddress(addr);
    if (address === undefined) throw new RangeError("it is no address");
    const { port } = address;
    // A server that listens everywhere is reached here.
    const hostname = address.host === "::" || address.host === "0.0.0.0" ? "127.0.0.1" : address.host;
    const signal = AbortSignal.timeout(CONNECT_MS);
    if (tlsCert === "") return await Deno.connect({ hostname, port, signal });
    const conn = await Deno.connectTls({
      hostname,
      port,
      alpnProtocols: ["h2"],
      ...(serverCa !== "" && { caCerts: [await Deno.readTextFile(serverCa)] }),
      ...(clientCert !== "" && {
        cert: await Deno.readTextFile(clientCert),
        key: await Deno.readTextFile(clientKey),
      }),
    });
    await conn.handshake();
    return conn;
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new ProxyError("unavailable", `no mc-proxy answers at "${addr}": ${detail}`, { cause: error });
  }
}
