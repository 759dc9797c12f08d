/**
 * A client that keeps one TLS connection and asks over HTTP/1.1, request after request, and knows which certificate
 * it was shown.
 *
 * @module
 */

import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { arrivals } from "../support/arrivals.ts";

const TIMEOUT_MS = 15_000;

/** One connection. Disposal closes it. */
export class L7Client implements Disposable {
  /** The leaf that the server has shown: DER in base64. */
  readonly certificate: string;
  readonly #socket: TLSSocket;
  readonly #name: string;
  #received = "";
  readonly #arrivals = arrivals();
  #error: Error | undefined;

  private constructor(socket: TLSSocket, name: string) {
    this.#socket = socket;
    this.#name = name;
    this.certificate = Uint8Array.from(socket.getPeerCertificate().raw).toBase64();
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.#received += text;
      this.#arrivals.notify();
    });
    socket.on("error", (error) => this.#error = error);
    socket.on("end", () => this.#arrivals.notify());
    socket.on("close", () => this.#arrivals.notify());
  }

  /** Connects to `addr` as `name`, verifying by `authority` (PEM); absent = takes any certificate. */
  static async open(addr: string, name: string, authority?: string): Promise<L7Client> {
    const [host, port] = addr.split(":");
    const socket = connect({
      host: host!,
      port: Number(port),
      servername: name,
      ...authority === undefined ? { rejectUnauthorized: false } : { ca: authority },
      ALPNProtocols: ["http/1.1"],
    });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error("no answer")));
    await once(socket, "secureConnect");
    return new L7Client(socket, name);
  }

  /** Asks for `path`. @returns the status; rejects when the connection ends before the whole answer */
  async get(path: string): Promise<number> {
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: ${this.#name}\r\n\r\n`);
    const status = await this.#arrivals.until(() => {
      const status = this.#takeAnswer();
      const isEnded = this.#socket.readableEnded || this.#socket.destroyed;
      if (status === undefined && isEnded) throw this.#error ?? new Error("the connection has ended");
      return status;
    }, TIMEOUT_MS);
    if (status === undefined) throw new Error("no answer");
    return status;
  }

  #takeAnswer(): number | undefined {
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (headEnd < 0) return undefined;
    const head = this.#received.slice(0, headEnd);
    const length = Number(/^content-length: (\d+)\r?$/im.exec(head)?.[1]);
    if (this.#received.length < headEnd + 4 + length) return undefined;
    this.#received = this.#received.slice(headEnd + 4 + length);
    return Number(head.slice(9, 12));
  }

  /** Finishes in good order and waits until the server has, too. */
  async close(): Promise<void> {
    this.#socket.end();
    if (!this.#socket.closed) await once(this.#socket, "close");
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** The first certificate of a PEM text as {@linkcode L7Client.certificate} tells it. */
export function derOf(pem: string): string {
  return /-----BEGIN CERTIFICATE-----([^-]+)-----END/.exec(pem)![1]!.replace(/\s/g, "");
}
