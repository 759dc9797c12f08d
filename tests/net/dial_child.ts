/**
 * Dials from a process whose /etc/hosts the test has written: `dial_child.ts HOST ROWS`, rows as JSON. Prints the
 * answers as one line of JSON.
 *
 * @module
 */

import { Deadlines } from "../../src/net/deadlines.ts";
import { dial } from "../../src/net/dial.ts";
import { eventually } from "../e2e/eventually.ts";
import { print } from "../support/print.ts";
import { tcpSockets } from "./tcp_sockets.ts";

/** One dial. */
export interface DialRow {
  readonly port: number;
  readonly connectTimeoutMs: number;
  readonly dialTimeoutMs: number;
}

/** How it ended. */
export interface DialAnswer {
  readonly kind: string;
  /** The address that answered. */
  readonly address: string | undefined;
  readonly tookMs: number;
}

async function main([host, rows]: string[]): Promise<void> {
  using deadlines = new Deadlines();
  const answers: DialAnswer[] = [];
  for (const { port, ...timeouts } of JSON.parse(rows!) as DialRow[]) {
    const before = tcpSockets();
    const startedMs = performance.now();
    const outcome = await dial({ host: host!, port }, { deadlines, ...timeouts });
    const tookMs = performance.now() - startedMs;
    const isConnected = outcome.kind === "connected";
    await eventually(
      "the losers' sockets closed",
      () => tcpSockets() === before + (isConnected ? 1 : 0),
      2_000,
    );
    answers.push({
      kind: outcome.kind,
      address: isConnected ? outcome.conn.remoteAddr.hostname : undefined,
      tookMs,
    });
    if (isConnected) outcome.conn.close();
  }
  print(JSON.stringify(answers));
}

if (import.meta.main) main(Deno.args).then(() => Deno.exit(0));
