/**
 * mc-proxy's layer 7, from source with its real flags or the binary of MC_PROXY_BIN.
 *
 * @module
 */

import { configText } from "../../support/config.ts";
import { programCommand } from "../../support/program_command.ts";
import { HTTP_NAMES, type HttpPeer, writePair } from "./http_peer.ts";
import { mcProxy } from "./mc_proxy.ts";

/** The program of this project. */
export const mcProxyHttp: HttpPeer = {
  name: mcProxy.name,
  describe: mcProxy.describe,
  prepare: async (options) => {
    const { folder, port, backendPort, workers } = options;
    const { certificate, key } = await writePair(options);
    const route = (hostname: string, protocol: string) => ({
      hostname,
      backend: `127.0.0.1:${backendPort}`,
      mode: "l7",
      backend_protocol: protocol,
      tls_cert: certificate,
      tls_key: key,
    });
    const routes = [route(HTTP_NAMES.h2, "h2c"), route(HTTP_NAMES.http1, "http/1.1")];
    const listeners = [{ addr: `127.0.0.1:${port}`, routes }];
    const configPath = `${folder}/mc-proxy.toml`;
    await Deno.writeTextFile(configPath, configText({ listeners, proxy: { workers } }));
    const { path, args } = programCommand();
    return [path, ...args, "server", "-c", configPath];
  },
};
