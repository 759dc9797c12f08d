/**
 * HAProxy in TCP mode, routes by `req.ssl_sni`, one log line per connection to standard output. Without
 * `option splice-auto`, which costs it CPU on loopback (2.6: 0.93 s/GiB with, 0.76 without).
 *
 * @module
 */

import { firstLine, type Peer, type PeerOptions } from "./peer.ts";

/** HAProxy as Debian installs it. */
export const haproxy: Peer = {
  name: "HAProxy",
  describe: async (workers) => {
    const version = await firstLine("haproxy", ["-v"]);
    return version && `${version.replace(/ - http.*/, "")}; ${workers} threads; tcplog to a file`;
  },
  prepare: async (options) => {
    const path = `${options.folder}/haproxy.cfg`;
    await Deno.writeTextFile(path, haproxyConfig(options));
    return ["haproxy", "-db", "-f", path];
  },
};

/** The configuration file. */
export function haproxyConfig({ port, routes, workers }: Omit<PeerOptions, "folder">): string {
  const entries = Object.entries(routes);
  return `global
    nbthread ${workers}
    maxconn 4000
    log stdout format raw local0 info

defaults
    mode tcp
    log global
    option tcplog
    timeout connect 5s
    timeout client 1h
    timeout server 1h

frontend tls
    bind 127.0.0.1:${port} backlog 4096
    maxconn 4000
    tcp-request inspect-delay 5s
    tcp-request content accept if { req.ssl_hello_type 1 }
    tcp-request content reject
${entries.map(([name, to]) => `    use_backend to_${to} if { req.ssl_sni -i ${name} }\n`).join("")}
${entries.map(([_, to]) => `backend to_${to}\n    server one 127.0.0.1:${to}\n`).join("\n")}`;
}
