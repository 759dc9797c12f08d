import assert from "node:assert/strict";
import type { ConnectionContext } from "../../src/l7/http_plane.ts";
import { terminate } from "../../src/l7/terminate.ts";
import { loadNative } from "../../src/net/native.ts";
import { ClientHelloReader } from "../../src/wire/client_hello.ts";
import { certified } from "../support/certified.ts";
import { clientHello } from "../support/client_hello.ts";
import { Coupling } from "./coupling.ts";
import type { Answer } from "./http_peer.ts";
import { Setting } from "./setting.ts";

loadNative();

/** Accepts one connection of a client that offers `alpn`, reads its hello and terminates it. */
async function serveOne(
  coupling: Coupling,
  alpn: string[],
  use: (client: Deno.TlsConn) => Promise<void>,
): Promise<{ reason: unknown; context: ConnectionContext }> {
  const { authority } = await certified();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const dialling = Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const [server, raw] = await Promise.all([listener.accept(), dialling]);
  const options = { hostname: "app.test", caCerts: [authority.certificate], alpnProtocols: alpn };
  const client = await Deno.startTls(raw, options);
  const using = use(client).catch(() => {}).finally(() => client.close());
  const buffer = new Uint8Array(4_096);
  const count = (await server.read(buffer))!;
  const outcome = new ClientHelloReader().push(buffer.subarray(0, count));
  assert.ok(outcome.kind === "hello");
  const context = coupling.context({ socket: server, hello: outcome.hello });
  const reason = await terminate(coupling.service, context, buffer.subarray(0, count));
  server.close();
  await using;
  return { reason, context };
}

Deno.test("terminate() serves h2 and http/1.1 by ALPN, and without ALPN http/1.1", async (t) => {
  for (const alpn of [["http/1.1"], ["http/1.1", "unknown"], []]) {
    await t.step(alpn.join(" ") || "none", async () => {
      const { secureContext } = await certified();
      const onEnd: Answer = (stream) => stream.respond(200, { text: "hello" });
      await using setting = new Setting({ version: "h2", onEnd }, { secureContext });
      const { reason, context } = await serveOne(setting.near, alpn, async (client) => {
        await client.write(new TextEncoder().encode("GET / HTTP/1.1\r\nhost: app.test\r\n\r\n"));
        const answer = new Uint8Array(1_024);
        const count = (await client.read(answer))!;
        assert.match(new TextDecoder().decode(answer.subarray(0, count)), /^HTTP\/1\.1 200 OK\r\n/);
        await client.closeWrite();
        await client.read(answer);
      });
      assert.equal(reason, "client_eof");
      assert.ok(context.bytesReceived > 0 && context.bytesSent > 0 && context.tlsMs! > 0);
    });
  }
});

Deno.test("terminate() says why it doesn't serve", async (t) => {
  const { secureContext } = await certified();
  const rows = [
    [{ reason: "no_alpn" }, ["smtp"], { secureContext }],
    [{ reason: "certificate_unusable" }, ["h2"], {}],
    // Half of the hello is given to TLS, and nothing follows.
    ["tls_timeout", ["h2"], { secureContext, limits: { tlsHandshakeTimeoutMs: 100 } }],
  ] as const;
  for (const [expected, alpn, options] of rows) {
    await t.step(JSON.stringify(expected), async () => {
      await using near = new Coupling({ port: 1, ...options });
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
      using socket = await listener.accept();
      const bytes = clientHello({ serverName: "app.test", alpn: [...alpn] });
      const outcome = new ClientHelloReader().push(bytes);
      assert.ok(outcome.kind === "hello");
      const context = near.context({ socket, hello: outcome.hello });
      const reason = await terminate(near.service, context, bytes.subarray(0, bytes.length / 2));
      assert.deepEqual(reason, expected);
      assert.equal(client.remoteAddr.port, listener.addr.port);
    });
  }
});

Deno.test("terminate() leaves a connection alone that was ended in the turn in which its hello came", async () => {
  const { secureContext } = await certified();
  const near = new Coupling({ port: 1, secureContext });
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const socket = await listener.accept();
  const bytes = clientHello({ serverName: "app.test", alpn: ["h2"] });
  const outcome = new ClientHelloReader().push(bytes);
  assert.ok(outcome.kind === "hello");
  socket.close();
  const context = near.context({ socket, hello: outcome.hello, endedBy: "killed" });
  assert.equal(await terminate(near.service, context, bytes), "killed");
  assert.equal(await client.read(new Uint8Array(1)), null);
  await near[Symbol.asyncDispose]();
});
