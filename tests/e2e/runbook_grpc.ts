/**
 * The gRPC examples of RUNBOOK.md, with grpcurl.
 *
 * @module
 */

import assert from "node:assert/strict";
import { freePort } from "../support/ports.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";
import { takeBlock } from "./runbook_blocks.ts";
import { Host } from "./runbook_host.ts";

/** Follows them. */
export async function anyClient(): Promise<void> {
  await using host = await Host.make({
    listeners: [{
      addr: `127.0.0.1:${freePort()}`,
      routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }],
    }],
    proxy: { workers: 1 },
  });
  await host.succeed("systemctl start mc-proxy");
  // Every call has to succeed, not the last alone.
  const calls = `set -e\n${takeBlock("Administer with any gRPC client")}`;
  const env = { PROTO: `${PROJECT_FOLDER}proto`, LISTEN: `127.0.0.1:${freePort()}` };
  const out = await host.succeed(calls, env);
  assert.match(out, /"isHealthy": true/);
  assert.match(out, /"confirmDeadline"/);
  assert.match(out, /Code: DeadlineExceeded/);
  assert.match(out, /"sizeBytes": "\d+"/);
  assert.match(out, /\{\n {2}"revision": 9\n\}\n\{\n {2}"status": "SERVING"\n\}\s*$/);
}
