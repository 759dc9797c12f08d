/**
 * Goal: gRPC passes as if nothing stood between: every kind of call, trailers, deadlines, cancels and large messages.
 * Method: the real program between a server on our own codec and the clients of others, each in a process of its own:
 * `@grpc/grpc-js`, and grpcio where Python has it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import { valuesOf } from "../l7/heads.ts";
import { freePort } from "../support/ports.ts";
import { print } from "../support/print.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";
import { serveQuietly } from "../support/quiet.ts";
import { grpcBackend, LARGE_BYTES, largeMessage } from "./grpc_backend.ts";
import { openSite } from "./l7_site.ts";

const FOLDER = `${PROJECT_FOLDER}tests/e2e`;

/** What every client must have seen: messages, code, and details where they are the server's own. */
const EXPECTED = {
  unary: [["ping"], 0],
  fail: [[], 5, "no such thing"],
  server: [["one", "two", "three"], 0],
  client: [["5"], 0],
  bidi: [["message 0", "message 1", "message 2", "message 3"], 0],
  deadline: [[], 4],
  cancel: [["first"], 1],
  large: [[createHash("sha256").update(largeMessage()).digest("hex")], 0],
  down: [[], 14, "the backend could not be reached or broke off"],
} as const;

async function check(path: string, ...args: readonly string[]): Promise<void> {
  await using site = await openSite();
  await using backend = grpcBackend();
  const routes = [
    site.route("h2c.test", `127.0.0.1:${backend.port}`),
    site.route("down.test", `127.0.0.1:${freePort()}`),
  ];
  // A call's own deadline rules: this one would end the endless call.
  const http = { response_header_timeout: "200ms" };
  await serveQuietly({ listeners: [{ routes }], http }, async ({ addr }) => {
    const words = [...args, addr, "h2c.test", `${site.folder}/ca.pem`, "down.test"];
    const { stdout, stderr } = await new Deno.Command(path, { args: words, cwd: PROJECT_FOLDER }).output();
    const line = new TextDecoder().decode(stdout).trim().split("\n").at(-1)!;
    assert.match(line, /^\{/, new TextDecoder().decode(stderr));
    const seen: Record<string, [string[], number, string]> = JSON.parse(line);
    for (const [name, [messages, code, details]] of Object.entries(EXPECTED)) {
      assert.deepEqual(seen[name]!.slice(0, 2), [messages, code], name);
      if (details !== undefined) assert.equal(seen[name]![2], details, name);
    }
    const streamOf = (method: string) =>
      backend.streams.find(({ request }) => request!.path === `/t.T/${method}`)!;
    // The backend has seen both ends that were not its own, and the deadline in the client's words.
    for (const method of ["Endless", "Silent"]) {
      assert.equal(await backend.until(method, () => streamOf(method).resetCode), ErrorCode.CANCEL);
    }
    assert.match(`${valuesOf(streamOf("Silent").request!.fields, "grpc-timeout")}`, /^\d+[num]$/);
    assert.deepEqual(valuesOf(streamOf("Unary").request!.fields, "te"), ["trailers"]);
    assert.equal(streamOf("Large").bytes, LARGE_BYTES + 5);
  });
}

Deno.test("grpc-js makes every kind of call", async () => {
  await check(Deno.execPath(), "run", "-A", `${FOLDER}/grpc_client.ts`);
});

Deno.test("grpcio makes every kind of call", async () => {
  const { success } = await new Deno.Command("python3", { args: ["-c", "import grpc"] }).output()
    .catch(() => ({ success: false }));
  if (!success) return print("skipped: python3 has no grpcio");
  await check("python3", `${FOLDER}/grpc_client.py`);
});
