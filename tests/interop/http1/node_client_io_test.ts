/** Node's `http` as the client of our server: lengths, chunks, trailers, Expect, interim responses, upgrade, keep-alive. */

import assert from "node:assert/strict";
import { EchoServer, run } from "./socket_owner.ts";

const SCRIPT = `
const http = require("node:http");
const port = Number(process.argv[1]);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const base = { port, host: "127.0.0.1", agent, headers: { Host: "echo.example" } };
function ask(options, send) {
  return new Promise((resolve, reject) => {
    const seen = { interim: [] };
    const request = http.request({ ...base, ...options, headers: { ...base.headers, ...options.headers } });
    request.on("error", reject);
    request.on("information", (info) => seen.interim.push(info.statusCode));
    request.on("continue", () => send(request));
    request.on("upgrade", (response, socket, head) => {
      let text = head.toString("latin1");
      socket.on("data", (bytes) => text += bytes.toString("latin1"));
      socket.on("end", () => resolve({ status: response.statusCode, text }));
      socket.write("raw\\r\\n");
      socket.end("end");
    });
    request.on("response", (response) => {
      let text = "";
      response.on("data", (bytes) => text += bytes.toString("latin1"));
      response.on("end", () => resolve({
        ...seen, status: response.statusCode, complete: response.complete, trailers: response.trailers,
        answer: text === "" ? null : JSON.parse(text),
      }));
    });
    if (options.headers?.Expect) request.flushHeaders();
    else if (send) send(request);
    else request.end();
  });
}
(async () => {
  const results = [];
  results.push(await ask({ path: "/get?q" }));
  results.push(await ask({ path: "/long", method: "POST", headers: { "Content-Length": 300000 } }, (r) => r.end("x".repeat(300000))));
  results.push(await ask({ path: "/chunks", method: "POST", headers: { Trailer: "X-Sum" } }, (r) => {
    r.write("ab"); r.write("cd"); r.addTrailers({ "X-Sum": "4" }); r.end();
  }));
  results.push(await ask({ path: "/wait", method: "PUT", headers: { Expect: "100-continue", "Content-Length": 2 } }, (r) => r.end("ok")));
  results.push(await ask({ path: "/hints" }));
  results.push(await ask({ path: "/empty", method: "DELETE" }));
  results.push(await ask({ path: "/head", method: "HEAD" }));
  results.push(await ask({ path: "/ws", headers: { Connection: "Upgrade", Upgrade: "websocket" } }));
  agent.destroy();
  console.log(JSON.stringify(results));
})();
`;

Deno.test("a Node http client gets right answers from Http1ServerConnection", async () => {
  await using server = new EchoServer();
  const results = JSON.parse(await run("node", ["-e", SCRIPT, String(server.port)]));
  const answers = results.map((result: { answer?: { content: string } }) => result.answer);
  assert.deepEqual(results.map((result: { status: number }) => result.status), [
    200,
    200,
    200,
    200,
    200,
    204,
    200,
    101,
  ]);
  assert.deepEqual(answers[0], {
    method: "GET",
    path: "/get?q",
    authority: "echo.example",
    content: "",
    trailers: [],
  });
  assert.equal(answers[1].content, "x".repeat(300000));
  assert.deepEqual([answers[2].content, answers[2].trailers], ["abcd", ["x-sum", "4"]]);
  assert.equal(answers[3].content, "ok");
  assert.deepEqual(results[4].interim, [103]);
  assert.deepEqual([answers[5], answers[6]], [null, null]);
  assert.equal(results[7].text, "raw\r\nend");
  for (const result of results.slice(0, 5)) {
    assert.equal(result.complete, true);
    assert.equal(result.trailers["x-length"], String(JSON.stringify(result.answer).length));
  }
  // Node keeps its connection but after a HEAD response without length, which it takes to end with the connection.
  assert.equal(server.connections, 2);
});
