/**
 * nginx' stream module with `ssl_preread`, one access log line per connection to a file.
 *
 * @module
 */

import { firstLine, type Peer, type PeerOptions } from "./peer.ts";

/** Where Debian and others put dynamic modules. */
const MODULES = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules"];

/** nginx as Debian installs it, with `libnginx-mod-stream`. */
export const nginx: Peer = {
  name: "nginx",
  describe: async (workers) => {
    const version = await firstLine("nginx", ["-v"]);
    if (version === undefined || streamModule() === undefined) return undefined;
    return `${
      version.replace("nginx version: ", "")
    } stream; ${workers} workers, reuseport; access_log to a file`;
  },
  prepare: async (options) => {
    const path = `${options.folder}/nginx.conf`;
    await Deno.writeTextFile(path, nginxConfig(options, streamModule()!));
    return ["nginx", "-p", options.folder, "-e", `${options.folder}/error.log`, "-c", path];
  },
};

/** The configuration file. */
export function nginxConfig(options: PeerOptions, module: string): string {
  const { port, routes, workers, folder } = options;
  const entries = Object.entries(routes);
  return `load_module ${module};
daemon off;
worker_processes ${workers};
worker_rlimit_nofile 20000;
pid ${folder}/pid;
error_log ${folder}/error.log warn;
events {
    worker_connections 10000;
}
stream {
    log_format one '$time_iso8601 $remote_addr:$remote_port $ssl_preread_server_name $upstream_addr $status '
                   '$bytes_received $bytes_sent $session_time';
    access_log ${folder}/access.log one;
    map $ssl_preread_server_name $to {
${entries.map(([name, to]) => `        ${name} to_${to};\n`).join("")}    }
${
    entries.map(([_, to]) => `    upstream to_${to} {\n        server 127.0.0.1:${to};\n    }\n`).join("")
  }    server {
        listen 127.0.0.1:${port} reuseport backlog=4096;
        ssl_preread on;
        preread_timeout 5s;
        proxy_connect_timeout 5s;
        proxy_timeout 1h;
        proxy_pass $to;
    }
}
`;
}

function streamModule(): string | undefined {
  return MODULES.map((folder) => `${folder}/ngx_stream_module.so`).find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}
