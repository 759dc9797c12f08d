/**
 * The server's composition root: nothing else starts or stops anything.
 *
 * @module
 */

import type { Takeover } from "./admin/takeover.ts";
import type { BootConfig } from "./config/parse.ts";
import { listenForFaults } from "./control/fault_input.ts";
import { ServiceManager } from "./control/service_manager.ts";
import { Signals } from "./control/signals.ts";
import { type Instruments, makeInstruments, makeParts } from "./daemon/parts.ts";
import type { ServeOptions } from "./daemon/serve_options.ts";
import { Server } from "./daemon/server.ts";
import { ProxyError } from "./errors.ts";
import { loadNative } from "./net/native.ts";
import type { Log } from "./observe/log.ts";
import { LineWriter } from "./proxy/lines.ts";
import { UNIX_PREFIX } from "./state/listen_address.ts";
import { DatabaseLock } from "./store/lock.ts";
import { resolveDatabase, Store } from "./store/store.ts";

/** Log lines that may wait for a reader. */
const LOG_BYTES_MAX = 8 * 1024 * 1024;
/** How long the last lines may take when nobody reads them. */
const LOG_FLUSH_MS = 2_000;
/** How long a database may stay locked by a process that has died or lets go. */
const LOCKED_MS = 10_000;
const LOCKED_RETRY_MS = 20;

/**
 * Runs the server until a signal ends it, or another process has taken its place.
 *
 * @returns the exit code: 0 after a drain, 1 after a second signal
 * @throws ProxyError when it can't start; nothing was touched then, and a server whose place it was to take goes on
 */
export async function serve(config: BootConfig, options: ServeOptions): Promise<number> {
  using signals = new Signals();
  using manager = new ServiceManager();
  const output = new LineWriter(Deno.stdout, LOG_BYTES_MAX);
  try {
    loadNative();
    const instruments = makeInstruments(config.settings, output);
    return await run(config, options, { instruments, output, manager, signals });
  } finally {
    await output.flush(LOG_FLUSH_MS);
    await manager.flush();
  }
}

/** What a server has around it, before it has a database. */
interface Surroundings {
  readonly instruments: Instruments;
  readonly output: LineWriter;
  readonly manager: ServiceManager;
  readonly signals: Signals;
}

async function run(config: BootConfig, options: ServeOptions, around: Surroundings): Promise<number> {
  const { instruments, output, manager, signals } = around;
  const { log } = instruments;
  const atStep = async (step: string): Promise<void> => {
    if (step !== options.testingOnlyHaltAt) return;
    log.info("halted", { step });
    await output.flush();
    Deno.kill(Deno.pid, "SIGSTOP");
  };
  const { settings } = config;
  // Disposed of after the database: who goes on finds it free.
  await using takeover = options.takeover ? await ask(config, log) : undefined;
  const isShared = takeover !== undefined;
  await atStep("released");
  const watchdogMs = manager.watchdogMs ?? takeover?.watchdogMs;
  manager.feed(watchdogMs);
  using store = isShared ? await openReleased(settings.databasePath) : Store.open(settings.databasePath);
  const { workers, maxConnections } = instruments.limits;
  log.info("starting", { workers, max_connections: maxConnections });
  await atStep("opened");
  const server = new Server(makeParts(instruments, config, options, store), { isShared, watchdogMs, atStep });
  await server.start();
  if (takeover !== undefined) await relieve(takeover, server, around);
  server.own();
  manager.follow(() => server.status());
  manager.ready(isShared);
  signals.onHangup = () => void manager.reloading(() => server.reloadFiles());
  if (options.testingOnlyFaults) void listenForFaults(server.supervisor);
  const successor = await Promise.race([signals.stop, server.handover.done]);
  signals.onHangup = () => {};
  // The successor speaks for the service now.
  if (successor !== undefined) manager.silence();
  return await server.stop({ secondStop: signals.secondStop, successor: successor ?? undefined }, manager);
}

/** Asks who serves for its place. @returns `undefined` when nobody serves */
async function ask({ settings }: BootConfig, log: Log): Promise<Takeover | undefined> {
  const { grpc } = settings;
  const databasePath = resolveDatabase(settings.databasePath);
  if (grpc === undefined || !grpc.addr.startsWith(UNIX_PREFIX)) {
    const holder = DatabaseLock.holderOf(databasePath);
    if (holder === undefined) return undefined;
    throw new ProxyError(
      "unavailable",
      `--takeover needs [grpc] addr = "unix:…" to ask process ${holder} over`,
    );
  }
  const { Takeover } = await import("./admin/takeover.ts");
  const takeover = await Takeover.ask(grpc, databasePath);
  if (takeover !== undefined) {
    log.info("takeover", { step: takeover.isAlone ? "gone" : "released", predecessor: takeover.pid });
  }
  return takeover;
}

/** Opens a database that another process lets go, or that died with it. */
async function openReleased(path: string): Promise<Store> {
  for (const deadlineMs = performance.now() + LOCKED_MS;;) {
    try {
      return Store.open(path);
    } catch (error) {
      const isBusy = error instanceof ProxyError && error.code === "busy";
      if (!isBusy || performance.now() > deadlineMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, LOCKED_RETRY_MS));
    }
  }
}

/** Tells the other process that this one serves, and waits until it has understood or this one is told to stop. */
async function relieve(
  takeover: Takeover,
  server: Server,
  { instruments, signals }: Surroundings,
): Promise<void> {
  const { pid: predecessor } = takeover;
  const { log } = instruments;
  try {
    if (signals.isStopping) throw new ProxyError("unavailable", "told to stop before it had taken over");
    const completion = takeover.complete(() => log.warning("takeover", { step: "unanswered", predecessor }));
    const outcome = await Promise.race([completion, signals.stop.then(() => "stopping")]);
    log.info("takeover", { step: outcome, predecessor });
    completion.catch(() => {});
    // What the other process has left to do is none of ours.
    await takeover[Symbol.asyncDispose]();
  } catch (error) {
    await server.abandon();
    throw error;
  }
}
