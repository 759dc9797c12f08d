/**
 * The demo's folder: configuration, certificate authority, certificates and keys. What is there is reused, what is
 * missing or about to expire is made.
 *
 * @module
 */

import { CertificateAuthority, type KeyPair, notAfter } from "../support/certificates.ts";
import { configText } from "../support/config.ts";

/** The demo's addresses, all on 127.0.0.1. */
export interface DemoPorts {
  readonly proxy: number;
  /** Backend of the exact name. */
  readonly exact: number;
  /** Backend of the wildcard and of every other name. */
  readonly others: number;
  /** Backend of the layer-7 route, in the clear. */
  readonly web: number;
  /** gRPC backend of a layer-7 route, in the clear. */
  readonly grpc: number;
}

/** What the demo needs from its folder. */
export interface SrvFolder {
  readonly configPath: string;
  /** What a client has to trust. */
  readonly caPath: string;
  readonly exact: KeyPair;
  readonly others: KeyPair;
}

/** The name with a route and a backend of its own. */
export const EXACT_NAME = "demo.localhost";
/** The name whose TLS the proxy terminates. */
export const WEB_NAME = "web.localhost";
/** The same, before a gRPC backend. */
export const GRPC_NAME = "grpc.localhost";

const CA_SUBJECT = "CN=mc-proxy demo CA";
const CA_DAYS = 365;
/** A certificate that ends within this time is made anew, so that it lasts for the run. */
const RENEW_BEFORE_MS = 48 * 3_600_000;

/** Makes what is missing in `folder` and reads the rest. An existing configuration is left as it is. */
export async function prepareSrvFolder(folder: string, ports: DemoPorts): Promise<SrvFolder> {
  await Deno.mkdir(folder, { recursive: true });
  const caPath = `${folder}/ca.pem`;
  const known = await readPair(caPath, `${folder}/ca-key.pem`);
  const authority = known === undefined
    ? await CertificateAuthority.create(CA_SUBJECT, CA_DAYS)
    : await CertificateAuthority.load(known);
  const leaf = (name: string, names: readonly string[]) =>
    keptPair(`${folder}/${name}.pem`, `${folder}/${name}-key.pem`, known, () => authority.issue({ names }));
  const exact = await leaf("demo", [EXACT_NAME]);
  const others = await leaf("others", [`*.${EXACT_NAME}`, "localhost", "127.0.0.1"]);
  await leaf("web", [WEB_NAME, GRPC_NAME]);
  if (known === undefined) await writePair(caPath, `${folder}/ca-key.pem`, await authority.pair());
  const configPath = `${folder}/mc-proxy.toml`;
  if (!await isFile(configPath)) await Deno.writeTextFile(configPath, demoConfig(ports));
  return { configPath, caPath, exact, others };
}

function demoConfig(ports: DemoPorts): string {
  const at = (port: number) => `127.0.0.1:${port}`;
  const files = { tls_cert: "web.pem", tls_key: "web-key.pem" };
  const tables = configText({
    listeners: [{
      addr: at(ports.proxy),
      routes: [
        { hostname: EXACT_NAME, backend: at(ports.exact) },
        { hostname: WEB_NAME, mode: "l7", backend: at(ports.web), ...files },
        { hostname: GRPC_NAME, mode: "l7", backend: at(ports.grpc), ...files },
        { hostname: `*.${EXACT_NAME}`, backend: at(ports.others) },
        { hostname: "*", backend: at(ports.others) },
      ],
    }],
    grpc: { addr: "unix:admin.sock" },
    proxy: { workers: 2, shutdown_timeout: "2s" },
    log: { level: "info", format: "text" },
  });
  return `# Made by "deno task dev"; mc-proxy.toml.example explains every key.\n` +
    `# Listeners and routes seed mc-proxy.db on the first run only.\n\n${tables}`;
}

/** A leaf as it stands in its files, or a new one when it is missing, expires soon, or its authority is new. */
async function keptPair(
  certificatePath: string,
  keyPath: string,
  authority: KeyPair | undefined,
  make: () => Promise<KeyPair>,
): Promise<KeyPair> {
  const kept = authority === undefined ? undefined : await readPair(certificatePath, keyPath);
  if (kept !== undefined) return kept;
  const pair = await make();
  await writePair(certificatePath, keyPath, pair);
  return pair;
}

/** Undefined when a file is missing, or the certificate unreadable or about to expire. */
async function readPair(certificatePath: string, keyPath: string): Promise<KeyPair | undefined> {
  if (!await isFile(certificatePath) || !await isFile(keyPath)) return undefined;
  const pair = {
    certificate: await Deno.readTextFile(certificatePath),
    key: await Deno.readTextFile(keyPath),
  };
  return expiresLate(pair.certificate) ? pair : undefined;
}

function expiresLate(certificate: string): boolean {
  try {
    return notAfter(certificate).getTime() > Date.now() + RENEW_BEFORE_MS;
  } catch {
    return false;
  }
}

/** The certificate last: a run cut in between leaves a pair that counts as missing. */
async function writePair(certificatePath: string, keyPath: string, pair: KeyPair): Promise<void> {
  await Deno.remove(certificatePath).catch(() => {});
  await Deno.writeTextFile(keyPath, pair.key, { mode: 0o600 });
  await Deno.writeTextFile(certificatePath, pair.certificate);
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
