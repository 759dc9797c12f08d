/**
 * The connection to a running server that a command works on, and what its failures mean for an operator.
 *
 * @module
 */

import { Code, ConnectError } from "@connectrpc/connect";
import { type AdminClient, type ClientSettings, connectAdmin } from "../admin/client.ts";
import { loadConfig } from "../config/load.ts";
import { ProxyError } from "../errors.ts";
import { UNIX_PREFIX } from "../state/listen_address.ts";
import type { GrpcSettings } from "../state/settings.ts";
import { durationMsOf, textOf } from "./admin_options.ts";
import type { Options } from "./args.ts";
import { Unreachable } from "./unreachable.ts";

/** What a command line says of the way to the server. */
export interface Destination {
  /** The TOML file with `[grpc]`; absent = `--addr` says all. */
  readonly configPath?: string;
  /** Of {@linkcode CONNECTION_OPTIONS}. */
  readonly options: Options;
  /** How long a call waits for its answer unless `--timeout` says otherwise, in ms; 0 = for ever. Default 30 s. */
  readonly callTimeoutMs?: number;
}

/**
 * Works with a connected server.
 *
 * @throws Unreachable when nobody answers; ProxyError config for a mistake in file or options, unavailable with the
 * server's own sentence otherwise
 */
export async function withServer<Result>(
  destination: Destination,
  work: (api: AdminClient["api"]) => Promise<Result>,
): Promise<Result> {
  const settings = await settingsOf(destination);
  const client = await connectAdmin(settings).catch((error) => {
    if (!(error instanceof ProxyError) || error.code !== "unavailable") throw error;
    throw new Unreachable(`${error.message}; is the server running?`, error);
  });
  try {
    return await work(client.api);
  } catch (error) {
    throw meaningOf(error, client.isLost, settings);
  } finally {
    await client[Symbol.asyncDispose]();
  }
}

async function settingsOf(
  { configPath, options, callTimeoutMs = 30_000 }: Destination,
): Promise<ClientSettings> {
  const grpc = configPath === undefined ? undefined : (await loadConfig(configPath)).settings.grpc;
  const addr = options["addr"] === undefined ? grpc?.addr : textOf(options["addr"]);
  if (addr === undefined) {
    const text =
      `"${configPath}" has no [grpc] section, so its server has no admin API: add one, or name --addr`;
    throw new ProxyError("config", text);
  }
  const named = (key: "clientCert" | "clientKey" | "serverCa") => textOf(options[key] ?? grpc?.[key]);
  const timeout = options["timeout"];
  const settings = {
    addr,
    tlsCert: "",
    clientCert: named("clientCert"),
    clientKey: options["clientCert"] === "" ? "" : named("clientKey"),
    serverCa: named("serverCa"),
    isTls: isTls(options, addr, grpc),
    callTimeoutMs: timeout === undefined ? callTimeoutMs : durationMsOf(timeout, "--timeout"),
  };
  if ((settings.clientCert === "") !== (settings.clientKey === "")) {
    throw new ProxyError("config", "--client-cert and --client-key go together: name both");
  }
  return settings;
}

/** A server without a certificate is spoken to in clear; of another server than the file's nothing is known. */
function isTls(options: Options, addr: string, grpc: GrpcSettings | undefined): boolean {
  if (options["insecure"] === true) return false;
  return grpc?.addr !== addr || grpc.tlsCert !== "";
}

/** Turns a failed call into what an operator can do something about. */
function meaningOf(error: unknown, isLost: boolean, { addr, isTls, clientCert }: ClientSettings): unknown {
  if (!(error instanceof ConnectError)) return error;
  if (error.code === Code.DeadlineExceeded) {
    const text =
      `"${addr}" has not answered in time; a change that was asked for may have been made or not: look, ` +
      "and give more time by --timeout";
    return new Unreachable(text, error);
  }
  if (!isLost) return refusalOf(error);
  const why = addr.startsWith(UNIX_PREFIX)
    ? "is it about to stop?"
    : !isTls
    ? "does it want TLS?"
    : clientCert === ""
    ? "it wants a client certificate, it seems: name one by [grpc] client_cert, or --client-cert and --client-key"
    : "over TLS that is how a client certificate is turned away, and its log says why (admin_refused)";
  return new Unreachable(
    `"${addr}" has ended the connection (${shortened(error.rawMessage)}); ${why}`,
    error,
  );
}

/** The server's own sentence; what was typed wrong is wrong usage here. */
function refusalOf(error: ConnectError): ProxyError {
  const way = error.rawMessage.includes("which listener is meant") ? "; name it by --listener ADDR" : "";
  const code = error.code === Code.InvalidArgument ? "config" : "unavailable";
  return new ProxyError(code, `${error.rawMessage}${way}`, { cause: error });
}

/** Without the addresses of documentation that a TLS library adds. */
function shortened(detail: string): string {
  return detail.replace(/: https?:\S+$/, "");
}
