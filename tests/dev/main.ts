/**
 * `deno task dev`: a demo on this machine, until Ctrl-C.
 *
 * On the first run it makes `srv/` with a configuration, a certificate authority and certificates; later runs reuse
 * it. Two HTTPS backends start on 127.0.0.1:8444 and 8445, one that speaks HTTP in the clear on 8446, one that speaks
 * gRPC in the clear on 8447, and the real program on 127.0.0.1:8443 in front of them. For each route the `curl` or
 * `grpcurl` line to try is printed.
 *
 * `--port N` takes N to N+4 and the folder `srv/N`; `--folder DIR` takes another folder.
 * Exit codes: 0 after Ctrl-C or SIGTERM, 1 when something failed, 2 for a mistake on the command line.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { type Backend, tlsHttpBackend } from "../support/backends.ts";
import { print, printError } from "../support/print.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";
import { startDemoProxy } from "./demo_proxy.ts";
import { grpcBackend } from "./grpc_backend.ts";
import {
  type DemoPorts,
  EXACT_NAME,
  GRPC_NAME,
  prepareSrvFolder,
  type SrvFolder,
  WEB_NAME,
} from "./srv_folder.ts";

const PORT = 8_443;
/** How much later than its child this process may be told of a signal, in ms. */
const SIGNAL_DELAY_MS = 200;

async function main(args: string[]): Promise<number> {
  const demo = parseDemo(args);
  if (demo === undefined) {
    printError("usage: deno task dev [--port 1024-65531] [--folder DIR]");
    return 2;
  }
  const taken = Object.values(demo.ports).find((port) => !isFree(port));
  if (taken !== undefined) {
    printError(
      `127.0.0.1:${taken} is in use by another program (an earlier demo?). ` +
        `End it, or take other ports: deno task dev --port ${demo.ports.proxy + 1_000}`,
    );
    return 1;
  }
  const stopped = stopSignal();
  const srv = await prepareSrvFolder(demo.folder, demo.ports);
  await using _exact = demoBackend("one", srv.exact, demo.ports.exact);
  await using _others = demoBackend("two", srv.others, demo.ports.others);
  await using _web = webBackend(demo.ports.web);
  await using _grpc = await grpcBackend(demo.ports.grpc);
  const proxy = startDemoProxy(srv.configPath);
  const first = await Promise.race([proxy.ready, stopped]);
  if (first === true) print(welcome(demo.ports.proxy, srv));
  await Promise.race([stopped, proxy.ended]);
  proxy.stop();
  return await endOf(proxy.ended, stopped);
}

/** Resolves at the first Ctrl-C, SIGTERM or hangup. Later ones do nothing: `deno task` delivers Ctrl-C twice. */
function stopSignal(): Promise<"stopped"> {
  const { promise, resolve } = Promise.withResolvers<"stopped">();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => resolve("stopped"));
  }
  return promise;
}

async function endOf(ended: Promise<number>, stopped: Promise<"stopped">): Promise<number> {
  const code = await ended;
  // A terminal's Ctrl-C reaches the proxy, too, and may have ended it before this process has heard of it.
  if (code === 0 || await Promise.race([stopped, later(SIGNAL_DELAY_MS)]) === "stopped") return 0;
  printError(`the proxy ended by itself with exit code ${code}`);
  return 1;
}

function later(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

function demoBackend(name: string, pair: SrvFolder["exact"], port: number): Backend {
  const handler = (request: Request) => {
    const { host, pathname } = new URL(request.url);
    return new Response(`Hello from demo backend ${name}: ${request.method} ${host}${pathname}\n`);
  };
  return tlsHttpBackend({ ...pair, port, handler });
}

/** HTTP/1.1 and h2c; answers with what the proxy says of the client. */
function webBackend(port: number): AsyncDisposable {
  return Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, (request) => {
    const told = [...request.headers].filter(([name]) => /^(x-|host)/.test(name));
    const lines = told.map(([name, value]) => `  ${name}: ${value}`);
    const { pathname } = new URL(request.url);
    return new Response(
      [`Hello from the web backend: ${request.method} ${pathname}`, ...lines, ""].join("\n"),
    );
  });
}

function welcome(port: number, srv: SrvFolder): string {
  const caPath = shortened(srv.caPath);
  const configPath = shortened(srv.configPath);
  const curl = (name: string) =>
    `  curl --cacert ${caPath} --resolve ${name}:${port}:127.0.0.1 https://${name}:${port}/`;
  return [
    "",
    `mc-proxy serves 127.0.0.1:${port}. Try in another terminal:`,
    "",
    `${EXACT_NAME} (L4, exact name, backend one)`,
    curl(EXACT_NAME),
    `${WEB_NAME} (L7: TLS ends at the proxy, which speaks h2c to its backend)`,
    curl(WEB_NAME),
    `${GRPC_NAME} (L7, a gRPC backend)`,
    `  grpcurl -cacert ${caPath} -authority ${GRPC_NAME} 127.0.0.1:${port} grpc.health.v1.Health/Check`,
    `*.${EXACT_NAME} (L4, wildcard, backend two)`,
    curl(`any.${EXACT_NAME}`),
    "* (L4, every other name, backend two)",
    curl("localhost"),
    "Ask the server how it is, and what would become of a connection",
    `  deno task mc-proxy status -c ${configPath}`,
    `  deno task mc-proxy explain 127.0.0.1 any.${EXACT_NAME} -c ${configPath}`,
    "",
    `The configuration is ${srv.configPath}. Ctrl-C ends the demo.`,
    "",
  ].join("\n");
}

function shortened(path: string): string {
  return path.startsWith(PROJECT_FOLDER) ? path.slice(PROJECT_FOLDER.length) : path;
}

function parseDemo(args: string[]): { ports: DemoPorts; folder: string } | undefined {
  try {
    const { values } = parseArgs({ args, options: { port: { type: "string" }, folder: { type: "string" } } });
    const proxy = Number(values.port ?? PORT);
    if (!Number.isInteger(proxy) || proxy < 1_024 || proxy > 65_531) return undefined;
    const folder = values.folder ?? `${PROJECT_FOLDER}srv${proxy === PORT ? "" : `/${proxy}`}`;
    return { ports: { proxy, exact: proxy + 1, others: proxy + 2, web: proxy + 3, grpc: proxy + 4 }, folder };
  } catch {
    return undefined;
  }
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}

if (import.meta.main) main(Deno.args).then((code) => Deno.exit(code));
