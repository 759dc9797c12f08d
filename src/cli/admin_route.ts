/**
 * A route as options name it, for adding one and for changing one.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import type { AdminClient } from "../admin/client.ts";
import type { UpdateRouteResponse } from "../admin/gen/mc_proxy/v1/admin_pb.ts";
import {
  BackendProtocol,
  type L7Options,
  L7OptionsSchema,
  type Route,
  RouteMode,
  RouteSchema,
} from "../admin/gen/mc_proxy/v1/configuration_pb.ts";
import { resolvePath } from "../config/file_path.ts";
import { ProxyError } from "../errors.ts";
import { canonicalHostname } from "../policy/hostname.ts";
import { changeOptions, optionalDuration, optionalNumber, textOf, wholeNumber } from "./admin_options.ts";
import type { Options } from "./args.ts";

/** What takes a limit back to that of the TOML file. */
const DEFAULT = "default";

const L7_KEYS = [
  "tlsCert",
  "tlsKey",
  "backendProtocol",
  "backendTls",
  "backendCa",
  "backendServerName",
  "acmeBackend",
  "maxBodyBytes",
] as const;

const PROTOCOLS: Readonly<Record<string, BackendProtocol>> = {
  h2c: BackendProtocol.H2C,
  h2: BackendProtocol.H2,
  "http/1.1": BackendProtocol.HTTP1,
};

/** A route to be added. @throws ProxyError config */
export function newRoute(hostname: string, backend: string, options: Options): Route {
  const route = routeOf(options);
  const l7Key = L7_KEYS.find((key) => options[key] !== undefined);
  if (route.mode === RouteMode.L7) {
    if (options["tlsCert"] === undefined || options["tlsKey"] === undefined) {
      throw new ProxyError("config", "--mode l7 needs --tls-cert FILE and --tls-key FILE");
    }
    route.l7 = l7Of(options);
  } else if (l7Key !== undefined) {
    throw new ProxyError("config", `${flagOf(l7Key)} is for layer 7: add --mode l7`);
  }
  return { ...route, hostname, backend, enabled: options["disabled"] !== true };
}

const MASKED: readonly (readonly [key: string, path: string])[] = [
  ["backend", "backend"],
  ["maxConnections", "max_connections"],
  ["idleTimeout", "idle_timeout"],
  ["sendProxyProtocol", "send_proxy_protocol"],
  ["mode", "mode"],
];

/** Changes what options name of a route. @throws ProxyError config, not_found */
export async function updateRoute(
  api: AdminClient["api"],
  hostname: string,
  options: Options,
): Promise<UpdateRouteResponse> {
  const paths = MASKED.filter(([key]) => options[key] !== undefined).map(([, path]) => path);
  const [enable, disable] = [options["enable"] === true, options["disable"] === true];
  if (enable && disable) throw new ProxyError("config", "--enable and --disable: only one of them");
  if (enable || disable) paths.push("enabled");
  const change = changeOptions(options);
  const route: Route = {
    ...routeOf(options),
    hostname,
    backend: textOf(options["backend"]),
    enabled: !disable,
  };
  const hasL7 = L7_KEYS.some((key) => options[key] !== undefined);
  if (hasL7 || options["mode"] !== undefined) paths.push("l7");
  if (paths.length === 0) {
    throw new ProxyError("config", "nothing to change: name an option such as --backend HOST:PORT");
  }
  if (!hasL7) {
    if (route.mode === RouteMode.L7) {
      throw new ProxyError("config", "--mode l7 needs --tls-cert and --tls-key");
    }
    return await api.updateRoute({ route, updateMask: { paths }, ...change });
  }
  // These options are one field of the message, so what isn't named comes from the route as it stands.
  const { routes, revision } = await api.listRoutes({ listener: route.listener });
  const name = canonicalHostname(hostname) ?? hostname;
  const standing = routes.filter((each) => each.hostname === name);
  if (standing.length > 1) throw new ProxyError("config", `which listener is meant: name it by --listener`);
  const before = standing[0];
  if (before === undefined) throw new ProxyError("not_found", `there is no route "${name}"`);
  if (before.l7 === undefined && options["mode"] !== "l7") {
    throw new ProxyError(
      "config",
      `"${name}" is a layer-4 route: add --mode l7, --tls-cert FILE and --tls-key FILE`,
    );
  }
  route.l7 = l7Of(options, before.l7);
  return await api.updateRoute({ route, updateMask: { paths }, expectedRevision: revision, ...change });
}

function routeOf(options: Options): Route {
  const { idleTimeout } = options;
  const idle = idleTimeout === DEFAULT ? undefined : optionalDuration(idleTimeout, "--idle-timeout");
  return create(RouteSchema, {
    listener: textOf(options["listener"]),
    maxConnections: optionalNumber(options["maxConnections"], "--max-connections"),
    sendProxyProtocol: options["sendProxyProtocol"] === true,
    mode: options["mode"] === "l7" ? RouteMode.L7 : RouteMode.L4,
    ...(idle !== undefined && { idleTimeout: idle }),
  });
}

function l7Of(options: Options, before: L7Options = create(L7OptionsSchema)): L7Options {
  const file = (key: string, otherwise: string) => {
    const path = options[key] as string | undefined;
    return path === undefined ? otherwise : path === "" ? "" : resolvePath(Deno.cwd(), path);
  };
  const text = (key: string, otherwise: string) => textOf(options[key] ?? otherwise);
  const bytes = options["maxBodyBytes"];
  const maxBodyBytes = bytes === undefined
    ? before.maxBodyBytes
    : bytes === DEFAULT
    ? undefined
    : BigInt(wholeNumber(bytes, "--max-body-bytes"));
  const protocol = PROTOCOLS[textOf(options["backendProtocol"])];
  const isTls = (options["backendTls"] ?? before.backendTls) === true;
  // Turning TLS on or off without a word about the protocol means the protocol that goes with it.
  const keptProtocol = isTls === before.backendTls ? before.backendProtocol : BackendProtocol.UNSPECIFIED;
  return create(L7OptionsSchema, {
    tlsCert: file("tlsCert", before.tlsCert),
    tlsKey: file("tlsKey", before.tlsKey),
    backendTls: isTls && protocol !== BackendProtocol.H2C,
    backendCa: file("backendCa", before.backendCa),
    backendServerName: text("backendServerName", before.backendServerName),
    backendProtocol: protocol ?? keptProtocol,
    acmeBackend: text("acmeBackend", before.acmeBackend),
    ...(maxBodyBytes !== undefined && { maxBodyBytes }),
  });
}

/** `--tls-cert` for `tlsCert`. */
function flagOf(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
