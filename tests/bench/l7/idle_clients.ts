/**
 * HTTP/2 connections that have asked once and stay open, a process of its own:
 * `idle_clients.ts ADDR NAME AUTHORITY_PATH COUNT`. Writes a line when all are open; ends with standard input.
 *
 * @module
 */

import { Http2Client } from "../../e2e/http2_client.ts";
import { print } from "../../support/print.ts";

const AT_ONCE = 16;

async function main([addr, name, authorityPath, count]: string[]): Promise<void> {
  const authority = await Deno.readTextFile(authorityPath!);
  let left = Number(count);
  const open: Http2Client[] = [];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (left-- > 0) {
      const client = await Http2Client.open({ addr: addr!, name: name!, authority });
      open.push(client);
      await client.send(client.request("/small"));
      await client.until("answer", () => client.came.contentBytes > 0);
    }
  }));
  print(`${open.length}`);
  for await (const _ of Deno.stdin.readable);
}

if (import.meta.main) main(Deno.args).then(() => Deno.exit(0));
