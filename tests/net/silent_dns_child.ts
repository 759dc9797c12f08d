/**
 * Dials where the name server, 127.0.0.1, takes every question and answers none: `silent_dns_child.ts NAMES DIALS`.
 * Prints as one line of JSON how long a dial by a name of /etc/hosts took meanwhile, and a write to a pipe.
 *
 * @module
 */

import { Deadlines } from "../../src/net/deadlines.ts";
import { dial } from "../../src/net/dial.ts";
import { print } from "../support/print.ts";

/** What a silent name server does to others. */
export interface Meanwhile {
  /** How the dial of `localhost` ended. */
  readonly kind: string;
  readonly dialMs: number;
  readonly writeMs: number;
}

async function main([names, dials]: string[]): Promise<void> {
  Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 53 });
  const backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const deadlines = new Deadlines();
  const options = { deadlines, connectTimeoutMs: 5_000, dialTimeoutMs: 3_500 };
  for (let index = 0; index < Number(dials); index++) {
    void dial({ host: `n${index % Number(names)}.example`, port: 443 }, options);
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  const dialledMs = performance.now();
  const writing = Deno.stderr.write(Uint8Array.of(10)).then(() => performance.now() - dialledMs);
  const { kind } = await dial({ host: "localhost", port: backend.addr.port }, options);
  const dialMs = performance.now() - dialledMs;
  const answer: Meanwhile = { kind, dialMs, writeMs: await writing };
  print(JSON.stringify(answer));
}

if (import.meta.main) main(Deno.args).then(() => Deno.exit(0));
