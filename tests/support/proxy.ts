/**
 * One call for most end-to-end tests: write a configuration with free ports, start the program on it, and take both
 * away afterwards.
 *
 * @module
 */

import { type ConfigFile, type ConfigTables, type ListenerTable, writeConfig } from "./config.ts";
import { freePorts } from "./ports.ts";
import { type Program, ProgramEnded, type ProgramOptions, startServer } from "./program.ts";

/** A configuration whose listeners may leave `addr` out: they get a free port of 127.0.0.1. */
export interface ProxyTables extends Omit<ConfigTables, "listeners"> {
  readonly listeners: readonly (Omit<ListenerTable, "addr"> & { readonly addr?: string })[];
}

/** A running program and its configuration. */
export interface Proxy extends AsyncDisposable {
  readonly program: Program;
  readonly config: ConfigFile;
  /** Address of each listener, in the order of the tables. */
  readonly addrs: readonly string[];
  /** The first listener's address. */
  readonly addr: string;
}

const ATTEMPTS = 5;

/** Starts the program; when another process has taken a port meanwhile, again with other ones. */
export async function startProxy(
  tables: ProxyTables,
  options: ProgramOptions & { readonly args?: readonly string[] } = {},
): Promise<Proxy> {
  for (let attempt = 1;; attempt++) {
    const ports = freePorts(tables.listeners.length);
    const listeners = tables.listeners.map((listener, index) => ({
      addr: `127.0.0.1:${ports[index]}`,
      ...listener,
    }));
    const config = await writeConfig({ ...tables, listeners });
    try {
      const program = await startServer(config.path, options);
      return proxy(program, config, listeners.map(({ addr }) => addr));
    } catch (error) {
      await config[Symbol.asyncDispose]();
      if (attempt === ATTEMPTS || !isPortConflict(error)) throw error;
    }
  }
}

function proxy(program: Program, config: ConfigFile, addrs: readonly string[]): Proxy {
  return {
    program,
    config,
    addrs,
    addr: addrs[0]!,
    [Symbol.asyncDispose]: async () => {
      await program[Symbol.asyncDispose]();
      await config[Symbol.asyncDispose]();
    },
  };
}

function isPortConflict(error: unknown): boolean {
  return error instanceof ProgramEnded &&
    /in use|busy/i.test(error.completed.stderr + error.completed.stdout);
}
