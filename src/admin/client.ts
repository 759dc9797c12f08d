/**
 * A client of the admin API, for the program's own commands.
 *
 * @module
 */

import { type Client, createClient } from "@connectrpc/connect";
import { createTransport } from "@connectrpc/connect/protocol-grpc";
import { messageOf, ProxyError } from "../errors.ts";
import type { Endpoint } from "../state/model.ts";
import { parseEndpoint, parseListenAddress, UNIX_PREFIX } from "../state/listen_address.ts";
import type { GrpcSettings } from "../state/settings.ts";
import { MESSAGE_BYTES_MAX } from "./call_limits.ts";
import { type ClientConn, ClientSession } from "./client_session.ts";
import { ProxyAdminService } from "./gen/mc_proxy/v1/admin_pb.ts";

/**
 * Where the server is and what is shown to it. `addr` may also be a name and a port: over TLS the server is verified
 * by it.
 */
export interface ClientSettings
  extends Pick<GrpcSettings, "addr" | "clientCert" | "clientKey" | "serverCa" | "tlsCert"> {
  /** Whether to speak TLS, which a Unix socket never does; absent = where the server has a `tlsCert`. */
  readonly isTls?: boolean;
  /** How long a call waits for its answer, in ms; absent or 0 = for ever. */
  readonly callTimeoutMs?: number;
}

/** A connected client. */
export interface AdminClient extends AsyncDisposable {
  /** Every call. They reject with a `ConnectError`. */
  readonly api: Client<typeof ProxyAdminService>;
  /** Whether the connection has ended: a call that failed then may have been made or not. */
  readonly isLost: boolean;
}

/** How long connecting may take, the TLS handshake included. */
const CONNECT_MS = 5_000;

/**
 * Connects.
 *
 * @throws ProxyError unavailable when nobody answers there, config when a file for TLS can't be read
 */
export async function connectAdmin(settings: ClientSettings): Promise<AdminClient> {
  const session = new ClientSession(await connect(settings));
  const { callTimeoutMs = 0 } = settings;
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
    ...(callTimeoutMs > 0 && { defaultTimeoutMs: callTimeoutMs }),
  });
  return {
    api: createClient(ProxyAdminService, transport),
    get isLost() {
      return session.isEnded;
    },
    [Symbol.asyncDispose]: () => session.close(),
  };
}

async function connect(settings: ClientSettings): Promise<ClientConn> {
  const { addr, tlsCert, isTls = tlsCert !== "" } = settings;
  if (addr.startsWith(UNIX_PREFIX)) {
    const path = addr.slice(UNIX_PREFIX.length);
    return await reached(addr, Deno.connect({ transport: "unix", path }));
  }
  const { host, port } = endpointOf(addr);
  if (!isTls) return await reached(addr, Deno.connect({ hostname: host, port }));
  const { serverCa, clientCert, clientKey } = settings;
  const options = {
    hostname: host,
    port,
    alpnProtocols: ["h2"],
    ...(serverCa !== "" && { caCerts: [await readPem(serverCa)] }),
    ...(clientCert !== "" && { cert: await readPem(clientCert), key: await readPem(clientKey) }),
  };
  return await reached(addr, connectTls(options));
}

async function connectTls(options: Deno.ConnectTlsOptions & Partial<Deno.TlsCertifiedKeyPem>) {
  const conn = await Deno.connectTls(options);
  try {
    await conn.handshake();
    return conn;
  } catch (error) {
    conn.close();
    throw error;
  }
}

/** A server that listens everywhere is reached here. */
function endpointOf(addr: string): Endpoint {
  const address = parseListenAddress(addr) ?? parseEndpoint(addr);
  if (address === undefined) {
    throw new ProxyError("config", `"${addr}" is no address; wanted unix:PATH or HOST:PORT`);
  }
  if (address.host === "0.0.0.0") return { ...address, host: "127.0.0.1" };
  return address.host === "::" ? { ...address, host: "::1" } : address;
}

async function readPem(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new ProxyError("config", `can't read "${path}": ${reasonOf(error)}`, { cause: error });
  }
}

/** The connection, in time, or a sentence that says what to do. */
async function reached(addr: string, connecting: Promise<ClientConn>): Promise<ClientConn> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DOMException("no answer", "TimeoutError")), CONNECT_MS);
  });
  try {
    return await Promise.race([connecting, late]);
  } catch (error) {
    // What comes later is nobody's.
    connecting.then((conn) => conn.close(), () => {});
    throw new ProxyError("unavailable", `no mc-proxy answers at "${addr}": ${reasonOf(error)}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "this user may not; take the server's user";
  if (error instanceof Deno.errors.ConnectionRefused) return "nobody listens there";
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return `nothing in ${CONNECT_MS / 1_000} s`;
  }
  const detail = messageOf(error);
  if (/UnknownIssuer/i.test(detail)) {
    return "its certificate is not signed by a CA known here; name that CA by --server-ca";
  }
  if (/NotValidForName/i.test(detail)) {
    return `its certificate is for another name; name it so by --addr (${detail})`;
  }
  return detail;
}
