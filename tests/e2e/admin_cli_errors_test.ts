/**
 * Goal: what a server can't take is one sentence that says what is wrong and what to say instead, with the exit code for
 * wrong usage where it was typed wrong.
 * Method: the real program as server and as command.
 *
 * @module
 */

import assert from "node:assert/strict";
import { runProgram } from "../support/program.ts";
import { startProxy } from "../support/proxy.ts";

Deno.test("a command that the server can't take says what is wrong with it, and what to say", async () => {
  await using proxy = await startProxy({
    listeners: [{ routes: [{ hostname: "a.test", backend: "127.0.0.1:1" }] }, {}],
    grpc: { addr: "unix:admin.sock" },
    proxy: { workers: 1 },
  });
  const rows: readonly [args: string, code: number, sentence: RegExp][] = [
    [
      "routes remove a.test",
      2,
      /which listener is meant must be said: there are 2; name it by --listener ADDR/,
    ],
    [
      "explain 192.0.2.1 a.test",
      2,
      /which listener is meant must be said: there are 2; name it by --listener/,
    ],
    [
      `routes add a..b 127.0.0.1:1 --listener ${proxy.addr}`,
      2,
      /route\.hostname: wanted a DNS name .*, got "a\.\.b"/,
    ],
    [`routes add b.test 127.0.0.1 --listener ${proxy.addr}`, 2, /route\.backend: wanted host:port/],
    ["firewall add cidr 192.0.2.1/24", 2, /rule\.value: wanted a CIDR with host bits zero/],
    ["firewall add country DE", 2, /a country rule needs a GeoIP database/],
    ["firewall remove 99", 1, /there is no firewall rule 99/],
    ["connections close", 2, /which connections: name a filter such as --client ADDRESS, or --all/],
    [
      "connections list --min-age 5",
      2,
      /--min-age: wanted a duration such as "60s", "5m" or "1h30m", got "5"/,
    ],
    ["revisions rollback 99", 1, /there is no revision 99/],
    ["confirm", 1, /no change waits for a confirmation/],
    ["apply -f none.toml", 2, /can't read "none\.toml": there is no such file/],
  ];
  await Promise.all(rows.map(async ([args, code, sentence]) => {
    const ended = await runProgram([...args.split(" "), "-c", proxy.config.path]);
    assert.match(ended.stderr, new RegExp(`^mc-proxy: .*${sentence.source}.*\n$`), args);
    assert.deepEqual([ended.code, ended.stdout], [code, ""], args);
  }));
});
