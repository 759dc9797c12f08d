/**
 * Caddy as Debian installs it, without its automatic certificates.
 *
 * @module
 */

import { HTTP_NAMES, type HttpPeer, writePair } from "./http_peer.ts";
import { firstLine } from "./peer.ts";

/** Caddy. */
export const caddy: HttpPeer = {
  name: "Caddy",
  describe: async (workers) => {
    const version = await firstLine("caddy", ["version"]);
    return version && `Caddy ${version}; GOMAXPROCS ${workers}`;
  },
  prepare: async (options) => {
    const { certificate, key } = await writePair(options);
    const { folder, port, backendPort, workers } = options;
    const site = (name: string, scheme: string) =>
      `https://${name}:${port} {
    tls ${certificate} ${key}
    reverse_proxy ${scheme}127.0.0.1:${backendPort}
}
`;
    const path = `${folder}/Caddyfile`;
    await Deno.writeTextFile(
      path,
      `{
    admin off
    auto_https off
    default_bind 127.0.0.1
    servers {
        protocols h1 h2
    }
}
${site(HTTP_NAMES.h2, "h2c://")}${site(HTTP_NAMES.http1, "")}`,
    );
    const environment = [`HOME=${folder}`, `XDG_DATA_HOME=${folder}`, `GOMAXPROCS=${workers}`];
    return ["env", ...environment, "caddy", "run", "--config", path, "--adapter", "caddyfile"];
  },
};
