/**
 * Goal: servers that others have made are backends like any: nginx and Caddy, in every protocol, and a server that
 * announces its end after every hundred requests loses none of a busy client's.
 * Method: the real program, curl and h2load as clients; what isn't installed is left out with a line.
 *
 * @module
 */

import assert from "node:assert/strict";
import { fillPattern, patternSha256 } from "../support/pattern.ts";
import { freePorts } from "../support/ports.ts";
import { print } from "../support/print.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { stopQuietly } from "../support/quiet.ts";
import { eventually } from "./eventually.ts";
import { curl, type Name, openSite, type Site } from "./l7_site.ts";

const FILE_BYTES = 1_048_576;
/** After so many requests nginx says GOAWAY, or `Connection: close`. */
const REQUESTS_PER_CONNECTION = 100;
const REQUESTS = 1_000;
const PATH = `${Deno.env.get("PATH")}:/usr/sbin`;

/** A server: how it is started, and its ports by the protocol that is spoken there. */
interface Server {
  readonly name: string;
  readonly config: (site: Site, ports: readonly number[]) => string;
  readonly command: (path: string) => readonly string[];
  /** Index into its ports. */
  readonly ports: Readonly<Record<"h2c" | "http/1.1" | "h2", number>>;
}

const nginx: Server = {
  name: "nginx",
  config: ({ folder }, [clear, h2c, secure]) =>
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr crit; user root;
events {}
http {
  access_log off; root ${folder}/www; keepalive_requests ${REQUESTS_PER_CONNECTION};
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((n) => `${n}_temp_path ${folder}/t;`).join(" ")}
  server { listen 127.0.0.1:${clear}; }
  server { listen 127.0.0.1:${h2c} http2; }
  server { listen 127.0.0.1:${secure} ssl http2;
    ssl_certificate ${folder}/site.pem; ssl_certificate_key ${folder}/site.key; }
}
`,
  command: (path) => ["nginx", "-c", path],
  ports: { "http/1.1": 0, "h2c": 1, "h2": 2 },
};

const caddy: Server = {
  name: "caddy",
  config: ({ folder }, [clear, , secure]) =>
    `{
  admin off
  auto_https off
  default_bind 127.0.0.1
  servers {
    protocols h1 h2 h2c
  }
}
http://:${clear} {
  root * ${folder}/www
  file_server
}
https://h2c.test:${secure}, https://h2tls.test:${secure} {
  tls ${folder}/site.pem ${folder}/site.key
  root * ${folder}/www
  file_server
}
`,
  command: (path) => ["caddy", "run", "--config", path, "--adapter", "caddyfile"],
  ports: { "http/1.1": 0, "h2c": 0, "h2": 2 },
};

/** The protocol that each name's route speaks to its backend. */
const NAMES = { "h1.test": "http/1.1", "h2c.test": "h2c", "h2tls.test": "h2" } as const;

async function isListening(port: number): Promise<boolean> {
  try {
    using _connection = await Deno.connect({ hostname: "127.0.0.1", port });
    return true;
  } catch {
    return false;
  }
}

/** Starts a server and the program before it, calls `use`, and ends both. */
async function withServer(server: Server, use: (proxy: Proxy, site: Site) => Promise<void>): Promise<void> {
  await using site = await openSite();
  await Deno.mkdir(`${site.folder}/www`);
  // nginx as root reads as another user.
  for (const path of [site.folder, `${site.folder}/www`]) await Deno.chmod(path, 0o755);
  const file = new Uint8Array(FILE_BYTES);
  fillPattern(file, 0);
  await Deno.writeFile(`${site.folder}/www/file`, file);
  const ports = freePorts(3);
  const path = `${site.folder}/${server.name}.conf`;
  await Deno.writeTextFile(path, server.config(site, ports));
  const [program, ...args] = server.command(path);
  const env = { PATH, HOME: site.folder, XDG_DATA_HOME: site.folder };
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program!, { args, env, stdin: "null", stdout: "null", stderr: "null" }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return print(`skipped: ${program} is not installed`);
    throw error;
  }
  try {
    for (const index of Object.values(server.ports)) {
      await eventually(`${program} to listen`, () => isListening(ports[index]!));
    }
    const routes = Object.entries(NAMES).map(([name, protocol]) =>
      site.route(name, `127.0.0.1:${ports[server.ports[protocol]]}`, {
        backend_protocol: protocol,
        ...protocol === "h2" && site.backendTls,
      })
    );
    await using proxy = await startProxy({ listeners: [{ routes }] });
    await use(proxy, site);
    await stopQuietly(proxy);
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
}

for (const server of [nginx, caddy]) {
  Deno.test(`${server.name} serves files, parts and heads through every protocol`, async (t) => {
    await withServer(server, async ({ addr }, site) => {
      for (const name of Object.keys(NAMES) as Name[]) {
        for (const flag of ["--http2", "--http1.1"]) {
          await t.step(`${name} ${flag}`, async () => {
            const ask = (path: string, ...args: string[]) => curl(site, addr, name, path, flag, ...args);
            const whole = await ask("/file");
            assert.deepEqual([whole.status, whole.sha256], [200, patternSha256(FILE_BYTES)]);
            const head = await ask("/file", "--head");
            assert.match(head.body, new RegExp(`^content-length: ${FILE_BYTES}\\r$`, "im"));
            assert.equal((await ask("/file", "--range", "0-9")).status, 206);
            const etag = /^etag: (.*)\r$/im.exec(head.body)![1]!;
            assert.equal((await ask("/file", "--header", `If-None-Match: ${etag}`)).status, 304);
            assert.equal((await ask("/none")).status, 404);
          });
        }
      }
    });
  });
}

Deno.test("nginx ends its connections every hundred requests, and no request is lost", async (t) => {
  await withServer(nginx, async ({ addr }, site) => {
    await Deno.writeTextFile(`${site.folder}/www/small`, "small");
    for (const name of Object.keys(NAMES)) {
      await t.step(name, async () => {
        const args = [`--requests=${REQUESTS}`, "--clients=4", "--max-concurrent-streams=5"];
        let text: string;
        try {
          const command = new Deno.Command("h2load", {
            args: [...args, `--connect-to=${addr}`, `https://${name}/small`],
          });
          text = new TextDecoder().decode((await command.output()).stdout);
        } catch (error) {
          if (error instanceof Deno.errors.NotFound) return print("skipped: h2load is not installed");
          throw error;
        }
        assert.match(text, new RegExp(`^status codes: ${REQUESTS} 2xx, 0 3xx, 0 4xx, 0 5xx$`, "m"));
        assert.match(text, /, 0 failed, 0 errored, 0 timeout$/m);
      });
    }
  });
});
