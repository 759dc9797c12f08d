/**
 * HAProxy and nginx as Debian installs them, started on a configuration for one test.
 *
 * @module
 */

import { gone, processTree, signalProcess } from "../support/processes.ts";

/** A running load balancer. Disposal ends it. */
export interface Balancer extends AsyncDisposable {
  /** What it has logged so far: standard output of HAProxy, nginx' access log. */
  log(): Promise<string>;
}

const START_TIMEOUT_MS = 10_000;

/** Whether HAProxy is installed. */
export function hasHaproxy(): boolean {
  return canRun("haproxy");
}

/** The path of nginx' stream module; undefined where nginx or the module isn't installed. */
export function nginxStreamModule(): string | undefined {
  if (!canRun("nginx")) return undefined;
  return ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"]
    .map((folder) => `${folder}/ngx_stream_module.so`).find(isFile);
}

function canRun(program: string): boolean {
  try {
    return new Deno.Command(program, { args: ["-v"], stdout: "null", stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** HAProxy in TCP mode; `sections` are its frontends and backends, `ports` those that it will listen on. */
export async function startHaproxy(sections: string, ports: readonly number[]): Promise<Balancer> {
  const config = `global
    log stdout format raw local0 info
defaults
    mode tcp
    log global
    timeout connect 5s
    timeout client 60s
    timeout server 60s
${sections}`;
  const { folder, dispose } = await ownFolder();
  await Deno.writeTextFile(`${folder}/haproxy.cfg`, config);
  return await start(
    ["haproxy", "-db", "-f", `${folder}/haproxy.cfg`],
    folder,
    `${folder}/output`,
    ports,
    dispose,
  );
}

/** nginx' stream module; `stream` is that block's content. Its `access_log` writes `$logged` to the log. */
export async function startNginx(
  stream: string,
  options: { readonly logged: string; readonly module: string; readonly ports: readonly number[] },
): Promise<Balancer> {
  const { folder, dispose } = await ownFolder();
  const config = `load_module ${options.module};
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log ${folder}/error.log warn;
events {}
stream {
    log_format one '${options.logged}';
    access_log ${folder}/access.log one;
${stream}
}
`;
  await Deno.writeTextFile(`${folder}/nginx.conf`, config);
  const command = ["nginx", "-p", folder, "-e", `${folder}/error.log`, "-c", `${folder}/nginx.conf`];
  return await start(command, folder, `${folder}/access.log`, options.ports, dispose);
}

async function ownFolder(): Promise<{ folder: string; dispose: () => Promise<void> }> {
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-test-balancer-" });
  // nginx' workers are another user's.
  await Deno.chmod(folder, 0o755);
  return { folder, dispose: () => Deno.remove(folder, { recursive: true }) };
}

async function start(
  command: readonly string[],
  folder: string,
  logPath: string,
  ports: readonly number[],
  dispose: () => Promise<void>,
): Promise<Balancer> {
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", 'exec "$@" >"$0" 2>&1', `${folder}/output`, ...command],
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  const stop = async () => {
    const pids = processTree(child.pid);
    for (const pid of pids) signalProcess(pid, "SIGKILL");
    await child.status;
    await Promise.all(pids.map((pid) => gone(pid)));
    await dispose();
  };
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  while (!ports.every((port) => isListening(port))) {
    if (performance.now() > deadlineMs) {
      const output = await Deno.readTextFile(`${folder}/output`);
      await stop();
      throw new Error(`${command[0]} doesn't listen:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return { log: () => Deno.readTextFile(logPath), [Symbol.asyncDispose]: stop };
}

/** Whether somebody listens on a port, by /proc: a connection would be one more for the test to explain. */
function isListening(port: number): boolean {
  const local = new RegExp(
    `^ *\\d+: [0-9A-F]+:${port.toString(16).toUpperCase().padStart(4, "0")} \\S+ 0A `,
    "m",
  );
  return local.test(Deno.readTextFileSync("/proc/net/tcp")) ||
    local.test(Deno.readTextFileSync("/proc/net/tcp6"));
}
