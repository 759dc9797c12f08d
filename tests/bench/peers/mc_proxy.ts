/**
 * mc-proxy itself, from source with its real flags or the binary of MC_PROXY_BIN, events on, JSON to a file.
 *
 * @module
 */

import { configText, routes as routeTables } from "../../support/config.ts";
import { programCommand } from "../../support/program_command.ts";
import { firstLine, type Peer } from "./peer.ts";

/** The program of this project. */
export const mcProxy: Peer = {
  name: "mc-proxy",
  describe: async (workers) => {
    const { path, args } = programCommand();
    const version = await firstLine(path, [...args, "version"]);
    const form = args.length === 0 ? "binary" : "from source";
    return `${version} ${form}; ${workers} workers; one JSON event per connection to a file`;
  },
  prepare: async ({ folder, port, routes, workers }) => {
    const configPath = `${folder}/mc-proxy.toml`;
    const backends = Object.entries(routes).map(([name, to]) => [name, `127.0.0.1:${to}`]);
    const listeners = [{ addr: `127.0.0.1:${port}`, routes: routeTables(Object.fromEntries(backends)) }];
    await Deno.writeTextFile(configPath, configText({ listeners, proxy: { workers } }));
    const { path, args } = programCommand();
    return [path, ...args, "server", "-c", configPath];
  },
};
