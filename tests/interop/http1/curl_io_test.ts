/** curl as the client of our server. */

import assert from "node:assert/strict";
import { EchoServer, run } from "./socket_owner.ts";

Deno.test("curl gets right answers from Http1ServerConnection", async (t) => {
  await using server = new EchoServer();
  const url = `http://127.0.0.1:${server.port}`;
  const curl = (args: readonly string[], input = "") =>
    run("curl", ["-sS", "--max-time", "20", ...args], input);
  const rows: readonly [
    name: string,
    args: readonly string[],
    input: string,
    method: string,
    content: string,
  ][] = [
    ["GET", [`${url}/a`], "", "GET", ""],
    ["POST with length", ["-d", "a=b", `${url}/a`], "", "POST", "a=b"],
    [
      "PUT in chunks",
      ["-T", "-", "-H", "Expect:", `${url}/a`],
      "x".repeat(100000),
      "PUT",
      "x".repeat(100000),
    ],
    ["PUT that waits for 100", ["-T", "-", "-H", "Expect: 100-continue", `${url}/a`], "ok", "PUT", "ok"],
    ["HTTP/1.0", ["-0", `${url}/a`], "", "GET", ""],
    ["HTTP/1.0 with content", ["-0", "-d", "a=b", `${url}/a`], "", "POST", "a=b"],
  ];
  for (const [name, args, input, method, content] of rows) {
    await t.step(name, async () => {
      const answer = JSON.parse(await curl(args, input));
      assert.deepEqual([answer.method, answer.path, answer.content], [method, "/a", content]);
    });
  }
  await t.step("HEAD, 204 and GET over one connection", async () => {
    const format = ["-w", "%{http_code} %{num_connects}\n", "-o", "/dev/null"];
    const next = ["--next", "-sS", ...format];
    const text = await curl([...format, "-I", `${url}/a`, ...next, `${url}/empty`, ...next, `${url}/a`]);
    assert.equal(text, "200 1\n204 0\n200 0\n");
  });
  await t.step("a refused request", async () => {
    const text = await curl(["-i", "-H", "Transfer-Encoding: gzip, chunked", "-d", "x", `${url}/a`]);
    assert.match(text, /^HTTP\/1.1 (501|400) /);
  });
});
