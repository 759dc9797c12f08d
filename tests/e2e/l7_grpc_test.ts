/**
 * Goal: gRPC passes as if nothing stood between: every kind of call, trailers, deadlines, cancels and large messages.
 * Method: the real program between a server on our own codec and the clients of others, each in a process of its own:
 * `@grpc/grpc-js`, and grpcio where Python has it, which is then the server, too.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import { valuesOf } from "../l7/heads.ts";
import { arrivals } from "../support/arrivals.ts";
import { runCommand } from "../support/command.ts";
import type { RouteTable } from "../support/config.ts";
import { freePort } from "../support/ports.ts";
import { LineReader } from "../support/line_reader.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";
import { serveQuietly } from "../support/quiet.ts";
import { grpcBackend, LARGE_BYTES, largeMessage } from "./grpc_backend.ts";
import { findGrpcioPython } from "./grpcio_python.ts";
import { openSite, type Site } from "./l7_site.ts";

const TIMEOUT_MS = 10_000;
const FOLDER = `${PROJECT_FOLDER}tests/e2e`;

/** What every client must have seen: messages, code, and details where they are the server's own. */
type Seen = Readonly<Record<string, readonly [messages: readonly string[], code: number, details?: string]>>;

const EXPECTED: Seen = {
  unary: [["ping"], 0],
  fail: [[], 5, "no such thing"],
  server: [["one", "two", "three"], 0],
  client: [["5"], 0],
  bidi: [["message 0", "message 1", "message 2", "message 3"], 0],
  deadline: [[], 4],
  cancel: [["first"], 1],
  large: [[sha256(largeMessage())], 0],
  down: [[], 14, "the backend could not be reached or broke off"],
};

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Runs a client against a route to `backend`, and checks what it has seen. */
async function check(
  site: Site,
  route: RouteTable,
  client: readonly string[],
  expected: Seen,
): Promise<void> {
  const routes = [route, site.route("down.test", `127.0.0.1:${freePort()}`)];
  // A call's own deadline rules: this one would end the endless call.
  const http = { response_header_timeout: "200ms" };
  await serveQuietly({ listeners: [{ routes }], http }, async ({ addr }) => {
    const [path, ...words] = [...client, addr, "h2c.test", `${site.folder}/ca.pem`, "down.test"];
    const { out, err } = await runCommand(path!, words, { cwd: PROJECT_FOLDER });
    const line = out.trim().split("\n").at(-1)!;
    assert.match(line, /^\{/, err);
    const seen: Record<string, [string[], number, string]> = JSON.parse(line);
    for (const [name, [messages, code, details]] of Object.entries(expected)) {
      assert.deepEqual(seen[name]!.slice(0, 2), [messages, code], name);
      if (details !== undefined) assert.equal(seen[name]![2], details, name);
    }
  });
}

/** The same against a server on our own codec, which is then asked what it has seen. */
async function checkBothEnds(...client: readonly string[]): Promise<void> {
  await using site = await openSite();
  await using backend = grpcBackend();
  await check(site, site.route("h2c.test", `127.0.0.1:${backend.port}`), client, EXPECTED);
  const streamOf = (method: string) =>
    backend.streams.find(({ request }) => request!.path === `/t.T/${method}`)!;
  // The backend has seen both ends that were not its own, and the deadline in the client's words.
  for (const method of ["Endless", "Silent"]) {
    assert.equal(await backend.until(method, () => streamOf(method).resetCode), ErrorCode.CANCEL);
  }
  assert.match(`${valuesOf(streamOf("Silent").request!.fields, "grpc-timeout")}`, /^\d+[num]$/);
  assert.deepEqual(valuesOf(streamOf("Unary").request!.fields, "te"), ["trailers"]);
  assert.equal(streamOf("Large").bytes, LARGE_BYTES + 5);
}

Deno.test("grpc-js makes every kind of call", async () => {
  await checkBothEnds(Deno.execPath(), "run", "-A", `${FOLDER}/grpc_client.ts`);
});

Deno.test("grpcio makes every kind of call", async () => {
  const python = await findGrpcioPython();
  if (python !== undefined) await checkBothEnds(python, `${FOLDER}/grpc_client.py`);
});

Deno.test("grpcio calls a server of grpcio, in clear and over TLS", async (t) => {
  const python = await findGrpcioPython();
  if (python === undefined) return;
  await using site = await openSite();
  const expected = { ...EXPECTED, large: [[sha256(new Uint8Array(LARGE_BYTES).fill(0x78))], 0] } as const;
  const pair = [`${site.folder}/site.pem`, `${site.folder}/site.key`];
  for (const [name, files, keys] of [["in clear", [], {}], ["over TLS", pair, site.backendTls]] as const) {
    await t.step(name, async () => {
      await using server = await startServer(python, files);
      const route = site.route("h2c.test", `127.0.0.1:${server.port}`, keys);
      await check(site, route, [python, `${FOLDER}/grpc_client.py`], expected);
      assert.deepEqual(await server.ended(2), ["Endless", "Silent"]);
    });
  }
});

/** A server of grpcio, until it is disposed of. */
interface PythonServer extends AsyncDisposable {
  readonly port: number;
  /** Waits until so many calls have ended before they were answered, and names them in order of the alphabet. */
  ended(count: number): Promise<string[]>;
}

async function startServer(python: string, files: readonly string[]): Promise<PythonServer> {
  const args = [`${FOLDER}/grpc_server.py`, ...files];
  const child = new Deno.Command(python, { args, stdin: "piped", stdout: "piped" }).spawn();
  const lines: string[] = [];
  const arrived = arrivals();
  const reader = new LineReader(child.stdout, (line) => (lines.push(line), arrived.notify()));
  const until = async (count: number) => {
    const found = await arrived.until(() => lines.length >= count || undefined, TIMEOUT_MS);
    assert.ok(found, `${lines.length} of ${count} lines: ${lines}`);
  };
  await until(1);
  return {
    port: Number(lines[0]),
    ended: async (count) => {
      await until(1 + count);
      return lines.slice(1).sort();
    },
    [Symbol.asyncDispose]: async () => {
      await child.stdin.close();
      await child.status;
      await reader.done;
    },
  };
}
