/**
 * A folder with PEM files and configurations of L7 routes that name them.
 *
 * @module
 */

import type { Configuration, L7Options, Route } from "../../src/state/model.ts";
import { CertificateAuthority, type KeyPair } from "../support/certificates.ts";

/** A temporary folder of PEM files; disposal removes it. */
export class CertificateFolder implements AsyncDisposable {
  /** Signs what {@linkcode issue} writes. */
  readonly authority: CertificateAuthority;
  readonly #path: string;

  private constructor(authority: CertificateAuthority, path: string) {
    this.authority = authority;
    this.#path = path;
  }

  /** An empty folder with an authority of its own. */
  static async create(): Promise<CertificateFolder> {
    const path = await Deno.makeTempDir({ prefix: "mc-proxy-test-" });
    return new CertificateFolder(await CertificateAuthority.create(), path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#path, { recursive: true });
  }

  /** The path of a file in the folder. */
  path(name: string): string {
    return `${this.#path}/${name}`;
  }

  /** Writes a file, as careful people do: next to it, then renamed over it. */
  async write(name: string, text: string): Promise<void> {
    await Deno.writeTextFile(this.path(`${name}.new`), text);
    await Deno.rename(this.path(`${name}.new`), this.path(name));
  }

  /** Issues a certificate for `hostname` and writes it to `<stem>.crt` and `<stem>.key`. */
  async issue(
    stem: string,
    hostname: string,
    dates: { notBefore?: Date; notAfter?: Date } = {},
  ): Promise<KeyPair> {
    const pair = await this.authority.issue({ names: [hostname], ...dates });
    await this.write(`${stem}.crt`, pair.certificate);
    await this.write(`${stem}.key`, pair.key);
    return pair;
  }

  /** An L7 route for `hostname` with `<stem>.crt` and `<stem>.key`. */
  route(id: number, hostname: string, stem: string, more: Partial<L7Options> = {}): Route {
    const l7: L7Options = {
      tlsCert: this.path(`${stem}.crt`),
      tlsKey: this.path(`${stem}.key`),
      backendTls: false,
      backendCa: "",
      backendServerName: "",
      backendProtocol: "h2c",
      ...more,
    };
    return {
      id,
      hostname,
      backend: { host: "127.0.0.1", port: 8080 },
      enabled: true,
      mode: "l7",
      sendProxyProtocol: false,
      maxConnections: 0,
      l7,
    };
  }
}

/** One listener with these routes. */
export function configurationOf(...routes: readonly Route[]): Configuration {
  const address = { host: "127.0.0.1", port: 443 };
  const listener = { id: 1, address, maxConnections: 0, proxyProtocol: false, trustedProxies: [], routes };
  return { listeners: [listener], firewallRules: [] };
}
