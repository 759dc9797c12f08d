/**
 * An admin API on TLS in front of the real program, and clients' certificates of every kind.
 *
 * @module
 */

import { CertificateAuthority, type KeyPair } from "../support/certificates.ts";
import { type ConfigFile, type RouteTable, writeConfig } from "../support/config.ts";
import { freePort } from "../support/ports.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";

/** Names that the site lets in, and one that may look. */
export const ALLOWED: readonly string[] = ["ops.test", "spiffe://x.test/ops", "ops@x.test", "ops"];
/** May look and not change. */
export const READ_ONLY = "looker";

const HOUR_MS = 3_600_000;

/** A running program with TLS on its admin API. */
export class AdminSite implements AsyncDisposable {
  /** Its own files: `server.crt`, `server.key`, `server_ca.crt`, `clients.crt`, and those of identities. */
  readonly files: ConfigFile;
  /** The program. */
  readonly proxy: Proxy;
  /** Where the admin API is. */
  readonly addr: string;
  /** Signs the clients that it trusts. */
  readonly clients: CertificateAuthority;

  private constructor(files: ConfigFile, proxy: Proxy, addr: string, clients: CertificateAuthority) {
    this.files = files;
    this.proxy = proxy;
    this.addr = addr;
    this.clients = clients;
  }

  /** Starts it: with client certificates, or with TLS alone. @param more goes into `[grpc]` @param route is the only one */
  static async start(
    kind: "mutual" | "server only",
    more: object = {},
    route: RouteTable = { hostname: "a.test", backend: "127.0.0.1:1" },
    log: Readonly<Record<string, unknown>> = {},
  ): Promise<AdminSite> {
    const files = await writeConfig({});
    const own = await CertificateAuthority.create("CN=server CA");
    const clients = await CertificateAuthority.create("CN=clients CA");
    const { certificate, key } = await own.issue({ names: ["127.0.0.1", "admin.test"] });
    const texts = {
      "server.crt": certificate,
      "server.key": key,
      "server_ca.crt": own.certificate,
      "clients.crt": clients.certificate,
    };
    for (const [name, text] of Object.entries(texts)) {
      await Deno.writeTextFile(`${files.folder}/${name}`, text);
    }
    const addr = `127.0.0.1:${freePort()}`;
    const proxy = await startProxy({
      listeners: [{ routes: [route] }],
      grpc: {
        addr,
        tls_cert: `${files.folder}/server.crt`,
        tls_key: `${files.folder}/server.key`,
        ...(kind === "server only" ? { insecure: true } : {
          client_ca: `${files.folder}/clients.crt`,
          allowed_clients: ALLOWED,
          read_only_clients: [READ_ONLY],
        }),
        ...more,
      },
      proxy: { workers: 1 },
      log,
    });
    return new AdminSite(files, proxy, addr, clients);
  }

  /** Writes an identity down. @returns its files */
  async write(name: string, { certificate, key }: KeyPair): Promise<{ certificate: string; key: string }> {
    const path = `${this.files.folder}/${name.replaceAll(/\W/g, "_")}`;
    await Deno.writeTextFile(`${path}.crt`, certificate);
    await Deno.writeTextFile(`${path}.key`, key);
    return { certificate: `${path}.crt`, key: `${path}.key` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.files[Symbol.asyncDispose]();
  }
}

/** Certificates by name: who is let in to change, who to look, and who not at all. */
export async function identities(
  clients: CertificateAuthority,
): Promise<Record<"changing" | "looking" | "refused", Record<string, KeyPair>>> {
  const rogue = await CertificateAuthority.create("CN=clients CA");
  const between = await clients.subordinate("CN=between");
  const client = { usage: "client" } as const;
  const chained = await between.issue({ ...client, names: ["ops.test"] });
  const [past, soon] = [new Date(Date.now() - HOUR_MS), new Date(Date.now() + HOUR_MS)];
  return {
    changing: {
      dns: await clients.issue({ ...client, names: ["x.test", "ops.test"] }),
      uri: await clients.issue({ ...client, names: ["spiffe://x.test/ops"], subject: "CN=u" }),
      email: await clients.issue({ ...client, names: ["ops@x.test"], subject: "CN=m" }),
      "common name": await clients.issue({ ...client, names: [], subject: "CN=ops, O=x" }),
      "both usages": await clients.issue({ names: ["ops.test"], usage: "both" }),
      chain: { ...chained, certificate: chained.certificate + between.certificate },
    },
    looking: { looker: await clients.issue({ ...client, names: [], subject: `CN=${READ_ONLY}` }) },
    refused: {
      rogue: await rogue.issue({ ...client, names: ["ops.test"] }),
      expired: await clients.issue({
        ...client,
        names: ["ops.test"],
        notBefore: new Date(0),
        notAfter: past,
      }),
      "not yet valid": await clients.issue({ ...client, names: ["ops.test"], notBefore: soon }),
      "a server's": await clients.issue({ names: ["ops.test"], usage: "server" }),
      "not allowed": await clients.issue({ ...client, names: ["other.test"] }),
      "a chain with a gap": chained,
      "two names in one": await clients.issue({
        ...client,
        names: ["https://x/, DNS:ops.test"],
        subject: "CN=x",
      }),
      "two lines in one": await clients.issue({ ...client, names: [], subject: [{ O: ["x\nCN=ops"] }] }),
      "the authority": await clients.pair(),
    },
  };
}
