/**
 * The program with `--testing-only-faults` and a way to give it orders: its standard input is a named pipe.
 *
 * @module
 */

import type { Fault } from "../../src/proxy/messages.ts";
import { programCommand } from "../support/program_command.ts";
import type { ProgramOptions } from "../support/program.ts";
import { type Proxy, type ProxyTables, startProxy } from "../support/proxy.ts";

/** A running program that can be told to fail. */
export interface OrderedProxy extends Proxy {
  /** Tells the worker with this number to do this; nobody answers. */
  order(worker: number, fault: Fault): void;
}

/** Starts the program; `args` default to the flag that makes it obey. */
export async function startWithOrders(
  tables: ProxyTables,
  options: Omit<ProgramOptions, "command"> & { readonly args?: readonly string[] } = {},
): Promise<OrderedProxy> {
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-orders-" });
  const pipe = `${folder}/orders`;
  await new Deno.Command("mkfifo", { args: [pipe] }).output();
  // Open for both, or the open waits for the other end.
  const orders = await Deno.open(pipe, { read: true, write: true });
  const { path, args } = programCommand();
  const command = { path: "/bin/sh", args: ["-c", 'exec "$@" <"$0"', pipe, path, ...args] };
  const end = async () => {
    orders.close();
    await Deno.remove(folder, { recursive: true });
  };
  try {
    const proxy = await startProxy(tables, { args: ["--testing-only-faults"], ...options, command });
    return {
      ...proxy,
      order: (worker, fault) => void orders.writeSync(new TextEncoder().encode(`${worker} ${fault}\n`)),
      [Symbol.asyncDispose]: async () => {
        await proxy[Symbol.asyncDispose]();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}
