/**
 * HAProxy in HTTP mode, TLS at its own end, connections to the backend kept and shared.
 *
 * @module
 */

import { HTTP_NAMES, type HttpPeer, writePair } from "./http_peer.ts";
import { firstLine } from "./peer.ts";

/** HAProxy as Debian installs it. */
export const haproxyHttp: HttpPeer = {
  name: "HAProxy",
  describe: async (workers) => {
    const version = await firstLine("haproxy", ["-v"]);
    return version && `${version.replace(/ - http.*/, "")}; ${workers} threads; http-reuse always`;
  },
  prepare: async (options) => {
    const { both } = await writePair(options);
    const path = `${options.folder}/haproxy.cfg`;
    const { port, backendPort, workers } = options;
    await Deno.writeTextFile(
      path,
      `global
    nbthread ${workers}
    maxconn 4000

defaults
    mode http
    option forwardfor
    http-reuse always
    timeout connect 5s
    timeout client 3m
    timeout server 60s

frontend tls
    bind 127.0.0.1:${port} backlog 4096 ssl crt ${both} alpn h2,http/1.1 ssl-min-ver TLSv1.3
    http-request set-header X-Forwarded-Proto https
    use_backend http1 if { req.hdr(host) -m beg ${HTTP_NAMES.http1} }
    default_backend h2
backend h2
    server one 127.0.0.1:${backendPort} proto h2
backend http1
    server one 127.0.0.1:${backendPort}
`,
    );
    return ["haproxy", "-db", "-f", path];
  },
};
