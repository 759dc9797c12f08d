/**
 * Goal: the gRPC examples of RUNBOOK.md do what it says.
 * Method: its blocks are run by bash as they stand, with grpcurl, against the real program; ignored where grpcurl isn't
 * installed.
 *
 * @module
 */

import assert from "node:assert/strict";
import runbook from "../../RUNBOOK.md" with { type: "text" };
import { hasProgram } from "../support/has_program.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";
import { startProxy } from "../support/proxy.ts";

Deno.test({
  name: "the runbook's gRPC calls are answered",
  ignore: !hasProgram("grpcurl"),
  fn: async () => {
    const section = runbook.split(/^(?=### )/m).find((part) =>
      part.startsWith("### Administer over gRPC\n")
    )!;
    const blocks = [...section.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block]) => block);
    assert.equal(blocks.length, 2);
    await using proxy = await startProxy({
      listeners: [{ routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }] }],
      grpc: { addr: "unix:admin.sock" },
      proxy: { workers: 1 },
    });
    const { code, stdout, stderr } = await new Deno.Command("bash", {
      args: ["-ec", blocks.join("\n")],
      env: { SOCKET: `${proxy.config.folder}/admin.sock`, PROTO: `${PROJECT_FOLDER}/proto` },
      stdin: "null",
      signal: AbortSignal.timeout(60_000),
    }).output();
    const text = new TextDecoder();
    const out = text.decode(stdout);
    assert.equal(code, 0, `${out}${text.decode(stderr)}`);
    assert.match(out, /"isHealthy": true/);
    assert.match(out, /"confirmDeadline"/);
    assert.match(out, /\{\n {2}"revision": 7\n\}\s*$/);
  },
});
