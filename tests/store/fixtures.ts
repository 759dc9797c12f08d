import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { type ErrorCode, ProxyError } from "../../src/errors.ts";
import type { Configuration, FirewallRule, Listener, Route } from "../../src/state/model.ts";
import { Store } from "../../src/store/store.ts";

/** A moment for tests that need any. */
export const TIME_MS = Date.UTC(2026, 10, 22, 15, 30);

const ROUTE: Route = {
  id: 1,
  hostname: "git.example.org",
  backend: { host: "127.0.0.1", port: 8443 },
  enabled: true,
  mode: "l4",
  sendProxyProtocol: false,
  maxConnections: 0,
};

const LISTENER: Listener = {
  id: 1,
  address: { host: "0.0.0.0", port: 443 },
  maxConnections: 0,
  proxyProtocol: false,
  trustedProxies: [],
  routes: [],
};

const RULE: FirewallRule = {
  id: 1,
  type: "cidr",
  value: "10.0.0.0/8",
  action: "block",
  mode: "enforce",
  comment: "",
};

/** A configuration that uses every field of the model, present and absent. */
export const CONFIGURATION: Configuration = {
  listeners: [
    {
      ...LISTENER,
      routes: [ROUTE, {
        ...ROUTE,
        id: 2,
        hostname: "*.example.org",
        enabled: false,
        mode: "l7",
        sendProxyProtocol: true,
        maxConnections: 7,
        l7: {
          tlsCert: "/etc/mc-proxy/cert.pem",
          tlsKey: "/etc/mc-proxy/key.pem",
          backendTls: true,
          backendCa: "/etc/mc-proxy/ca.pem",
          backendServerName: "backend.example.org",
          backendProtocol: "h2",
          acmeBackend: { host: "::1", port: 8080 },
          maxBodyBytes: 0,
        },
      }],
    },
    {
      ...LISTENER,
      id: 2,
      address: { host: "::1", port: 8443 },
      maxConnections: 1000,
      proxyProtocol: true,
      trustedProxies: ["10.0.0.1", "fd00::/8"],
      routes: [{ ...ROUTE, id: 3, hostname: "*", idleTimeoutMs: 0 }, {
        ...ROUTE,
        id: 4,
        mode: "l7",
        l7: {
          tlsCert: "/c",
          tlsKey: "/k",
          backendTls: false,
          backendCa: "",
          backendServerName: "",
          backendProtocol: "h2c",
        },
      }],
    },
  ],
  firewallRules: [
    RULE,
    {
      ...RULE,
      id: 2,
      type: "country",
      value: "XK",
      action: "allow",
      mode: "shadow",
      comment: 'it\'s\n"x"; -- ü',
    },
    { ...RULE, id: 3, type: "ip", value: "2001:db8::1", expiresAtMs: TIME_MS },
  ],
};

/** `count` firewall rules that begin with `id`. */
export function rules(id: number, count: number): FirewallRule[] {
  return Array.from({ length: count }, (_, index) => ({
    ...RULE,
    id: id + index,
    type: "ip",
    value: `10.${(id + index) >> 16 & 255}.${(id + index) >> 8 & 255}.${(id + index) & 255}`,
    comment: `rule ${id + index}`,
  }));
}

/** Whether the long versions are asked for: `MC_PROXY_TEST_FULL`. */
export function isFull(): boolean {
  return Deno.env.has("MC_PROXY_TEST_FULL");
}

/** A temporary folder that goes with its scope. */
export class Folder implements Disposable {
  readonly path: string = Deno.makeTempDirSync({ prefix: "mc-proxy-store-" });

  /** The database's path in it. */
  get database(): string {
    return `${this.path}/mc-proxy.db`;
  }

  /** The names in it, or in a folder of it, sorted. */
  names(folder = "."): string[] {
    return [...Deno.readDirSync(`${this.path}/${folder}`)].map((entry) => entry.name).sort();
  }

  /** Makes a database with `configuration` as revision 1 and closes it. */
  seed(configuration: Configuration = CONFIGURATION): void {
    using store = Store.open(this.database);
    store.seed(configuration, TIME_MS);
  }

  /** Lets SQL loose on the database, past the store. */
  edit(sql: string): void {
    using database = new DatabaseSync(this.database);
    database.exec(sql);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Expects a `ProxyError` of this code whose one sentence matches and names no stack or full stop. */
export function refuses(code: ErrorCode, message: RegExp, work: () => unknown): void {
  assert.throws(work, (error) => {
    assert.ok(error instanceof ProxyError, `not a ProxyError: ${error}`);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /\.$|\n/);
    return true;
  });
}

/**
 * Starts `child.ts` with these arguments.
 *
 * @param starter a command that starts the child, with its arguments; default: none
 */
export function startChild(args: readonly string[], starter: readonly string[] = []): Deno.ChildProcess {
  const [command, ...rest] = [
    ...starter,
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-prompt",
    "--allow-read",
    "--allow-write",
    new URL("./child.ts", import.meta.url).pathname,
    ...args,
  ];
  return new Deno.Command(command!, { args: rest, stdin: "null", stdout: "piped", stderr: "inherit" })
    .spawn();
}

/** Ends a child as `kill -9` does, if it hasn't ended by itself; what it printed until then is the result. */
export async function endChild(child: Deno.ChildProcess, lines: AsyncIterator<string>): Promise<string[]> {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound) && !(error instanceof TypeError)) throw error;
  }
  const rest: string[] = [];
  for (let line = await lines.next(); !line.done; line = await lines.next()) rest.push(line.value);
  await child.status;
  return rest;
}

/** The whole lines that a child prints. */
export async function* linesOf(child: Deno.ChildProcess): AsyncGenerator<string, void> {
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
