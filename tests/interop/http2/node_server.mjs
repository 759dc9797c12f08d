// deno-lint-ignore-file no-console no-process-global -- a program for Node
// Run by Node: an HTTP/2 server on node:http2 that echoes. Prints its port; ends when stdin does.
import { createServer } from "node:http2";

const server = createServer();
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  if (headers[":path"] === "/reset") return stream.close(7);
  stream.additionalHeaders({ ":status": 103, link: "</x>" });
  stream.respond({ ":status": 200, "x-method": headers[":method"], "x-cookie": headers.cookie ?? "" }, {
    waitForTrailers: true,
  });
  stream.on("wantTrailers", () => stream.sendTrailers({ "x-end": "yes" }));
  stream.pipe(stream);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
