// deno-lint-ignore-file no-console no-process-global no-node-globals no-top-level-await -- a program for Node
// Run by Node: a client on node:http2 against the port in argv[2]. Prints one JSON line; exit 0 when all is right.
import assert from "node:assert/strict";
import { connect } from "node:http2";

const session = connect(`http://127.0.0.1:${process.argv[2]}`);
session.on("error", (error) => {
  console.error(error);
  process.exit(1);
});

function ask(headers, content, trailers) {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, {
      endStream: content === undefined,
      waitForTrailers: trailers !== undefined,
    });
    const parts = [];
    let head;
    let end;
    stream.on("response", (received) => head = received);
    stream.on("trailers", (received) => end = received);
    stream.on("data", (part) => parts.push(part));
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    stream.on("error", reject);
    stream.on("close", () => resolve({ head, end, code: stream.rstCode, content: Buffer.concat(parts) }));
    if (content !== undefined) stream.end(content);
  });
}

const plain = await ask({ ":path": "/a?b" });
assert.equal(plain.head[":status"], 200);
assert.equal(plain.head["x-path"], "/a?b");
assert.equal(plain.content.toString(), "hello");

const large = Buffer.alloc(3_000_000, (index) => index);
for (let index = 0; index < large.length; index += 7) large[index] = index * 31;
const echoed = await Promise.all([1, 2, 3].map(() => ask({ ":path": "/echo", ":method": "POST" }, large)));
for (const { content } of echoed) assert.ok(content.equals(large), `${content.length} bytes came back`);

const trailed = await ask({ ":path": "/echo", ":method": "POST" }, "abc", { "x-sum": "6" });
assert.equal(trailed.end["x-sum"], "6");

const many = await Promise.all(Array.from({ length: 500 }, (_, index) => ask({ ":path": `/${index}` })));
many.forEach(({ head }, index) => assert.equal(head["x-path"], `/${index}`));

const cancelled = session.request({ ":path": "/", ":method": "POST" }, { endStream: false });
cancelled.on("error", () => {});
cancelled.close(8);
await new Promise((resolve) => cancelled.on("close", resolve));
await new Promise((resolve, reject) => session.ping((error) => error ? reject(error) : resolve()));
session.close(() => console.log("right"));
