/**
 * What a layer-7 scenario needs: certificates, a backend that speaks every protocol, a configuration with a route for
 * each, and curl to ask with.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { CertificateAuthority } from "../support/certificates.ts";
import type { RouteTable } from "../support/config.ts";
import { fillPattern } from "../support/pattern.ts";

const CHUNK_BYTES = 65_536;

/** Names that the certificate of every route covers. */
export const NAMES = [
  "h2c.test",
  "h1.test",
  "h2tls.test",
  "h1tls.test",
  "down.test",
  "other.test",
  "l4.test",
] as const;
/** One of {@linkcode NAMES}. */
export type Name = typeof NAMES[number];

/** Certificates on disk and a backend, until it is disposed of. */
export interface Site extends AsyncDisposable {
  /** Holds `ca.pem`, `site.pem`, `site.key`, `stranger.pem`. */
  readonly folder: string;
  /** The authority that has signed the certificates, PEM. */
  readonly authority: string;
  /** Keys of a route that verifies the backend in TLS. */
  readonly backendTls: Readonly<Record<string, unknown>>;
  /** `host:port` in clear, HTTP/1.1 and h2c, and in TLS, http/1.1 and h2. */
  readonly clear: string;
  readonly secure: string;
  /** A layer-7 route with the site's certificate and `more` keys. */
  route(hostname: string, backend: string, more?: Readonly<Record<string, unknown>>): RouteTable;
  /** A route for each protocol that a backend can speak. */
  readonly routes: readonly RouteTable[];
}

/** Builds a site. */
export async function openSite(): Promise<Site> {
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-l7-" });
  const ca = await CertificateAuthority.create();
  const stranger = await CertificateAuthority.create("CN=stranger");
  const leaf = await ca.issue({ names: [...NAMES, "127.0.0.1"] });
  const files = {
    "ca.pem": ca.certificate,
    "stranger.pem": stranger.certificate,
    "site.pem": leaf.certificate,
    "site.key": leaf.key,
  };
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${folder}/${name}`, text);
  const at = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const clear = Deno.serve(at, answer);
  const secure = Deno.serve({ ...at, cert: leaf.certificate, key: leaf.key }, answer);
  const clearAddr = `127.0.0.1:${clear.addr.port}`;
  const secureAddr = `127.0.0.1:${secure.addr.port}`;
  const route = (hostname: string, backend: string, more = {}): RouteTable => ({
    hostname,
    backend,
    mode: "l7",
    tls_cert: `${folder}/site.pem`,
    tls_key: `${folder}/site.key`,
    ...more,
  });
  const backendTls = { backend_tls: true, backend_ca: `${folder}/ca.pem`, backend_server_name: "h2c.test" };
  return {
    folder,
    authority: ca.certificate,
    backendTls,
    clear: clearAddr,
    secure: secureAddr,
    route,
    routes: [
      route("h2c.test", clearAddr),
      route("h1.test", clearAddr, { backend_protocol: "http/1.1" }),
      route("h2tls.test", secureAddr, backendTls),
      route("h1tls.test", secureAddr, { ...backendTls, backend_protocol: "http/1.1" }),
    ],
    [Symbol.asyncDispose]: async () => {
      await Promise.all([clear.shutdown(), secure.shutdown()]);
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** `/sha` digests what it gets, `/bytes/N` sends N bytes of the pattern, `/echo` sends back, `/fields` tells its head. */
async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/sha") return new Response(await digestOf(request));
  if (pathname.startsWith("/bytes/")) return new Response(pattern(Number(pathname.slice(7))));
  if (pathname === "/echo") return new Response(request.body);
  if (pathname === "/fields") return Response.json([...request.headers]);
  return new Response(`hello ${pathname}\n`);
}

async function digestOf(request: Request): Promise<string> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const part of request.body ?? []) {
    hash.update(part);
    bytes += part.length;
  }
  return `${hash.digest("hex")} ${bytes}\n`;
}

function pattern(bytes: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent === bytes) return controller.close();
      const part = new Uint8Array(Math.min(CHUNK_BYTES, bytes - sent));
      fillPattern(part, sent);
      sent += part.length;
      controller.enqueue(part);
    },
  });
}

/** What curl said. */
export interface Answer {
  /** 0 = it got none. */
  readonly status: number;
  /** `1.1` or `2`. */
  readonly version: string;
  readonly body: string;
  /** SHA-256 of the body in hex. */
  readonly sha256: string;
  /** curl's exit code. */
  readonly exit: number;
}

/** Asks `https://name/path` at `addr` with curl, any further arguments as curl has them. */
export async function curl(
  site: Site,
  addr: string,
  name: string,
  path: string,
  ...args: readonly string[]
): Promise<Answer> {
  const [host, port] = addr.split(":");
  const { stdout, stderr, code } = await new Deno.Command("curl", {
    args: [
      "--silent",
      "--show-error",
      "--max-time",
      "60",
      "--cacert",
      `${site.folder}/ca.pem`,
      "--resolve",
      `${name}:${port}:${host}`,
      "--write-out",
      "%{stderr}%{http_code} %{http_version}\n",
      ...args,
      `https://${name}:${port}${path}`,
    ],
  }).output();
  const [status, version] = new TextDecoder().decode(stderr).trim().split("\n").at(-1)!.split(" ");
  return {
    status: Number(status),
    version: version ?? "",
    body: stdout.length > 65_536 ? "" : new TextDecoder().decode(stdout),
    sha256: createHash("sha256").update(stdout).digest("hex"),
    exit: code,
  };
}
