import assert from "node:assert/strict";
import { outboundRequest, requestIdOf } from "../../src/l7/request_rules.ts";
import { acceptOf, Upgrade } from "../../src/l7/upgrade.ts";
import { FACTS, OUR_ID, requestHead, valuesOf } from "./heads.ts";
import type { Answer, HttpPeer, PeerStream } from "./http_peer.ts";
import { Setting } from "./setting.ts";

const VERSIONS = ["h2", "http/1.1"] as const;
/** RFC 6455 §1.3. */
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/** Takes a handshake. */
const accept: Answer = (stream) => {
  const [key] = valuesOf(stream.request!.fields, "sec-websocket-key");
  if (key === undefined) stream.respond(200, { fields: ["sec-websocket-protocol", "chat"], isOpen: true });
  else {
    const proof = ["connection", "upgrade", "upgrade", "websocket", "sec-websocket-accept", acceptOf(key)];
    stream.respond(101, { fields: [...proof, "sec-websocket-protocol", "chat"], isOpen: true });
  }
};

function open(version: "h2" | "http/1.1", onHead: Answer, announces = true): Setting {
  return new Setting({ version, onHead, http2: { enableConnectProtocol: announces } });
}

/** Asks for a WebSocket as the version does it. */
function ask(peer: HttpPeer, version: "h2" | "http/1.1", key = KEY): PeerStream {
  const fields = ["sec-websocket-version", "13", "origin", "https://app.test"];
  if (version === "h2") {
    return peer.ask({ method: "CONNECT", protocol: "websocket", path: "/chat", fields }, { isOpen: true });
  }
  const head = { protocol: "websocket", path: "/chat", fields: [...fields, "sec-websocket-key", key] };
  return peer.ask(head, { isOpen: true });
}

Deno.test("acceptOf() is the proof of RFC 6455", () => {
  assert.equal(acceptOf(KEY), ACCEPT);
});

Deno.test("Upgrade.of() leaves the request id where the log finds it, whatever it adds", () => {
  for (const clientVersion of VERSIONS) {
    for (const backendVersion of VERSIONS) {
      const facts = { ...FACTS, clientVersion, backendVersion };
      const fields = clientVersion === "h2" ? [] : ["sec-websocket-key", KEY];
      const outbound = outboundRequest(requestHead({ protocol: "websocket", fields }), facts, OUR_ID);
      assert.ok(typeof outbound === "object");
      const name = `${clientVersion} to ${backendVersion}`;
      assert.equal(requestIdOf(Upgrade.of(outbound, facts)!.request), OUR_ID, name);
    }
  }
});

Deno.test("a WebSocket opens between any two versions, and bytes pass both ways to either end", async (t) => {
  for (const clientVersion of VERSIONS) {
    for (const backendVersion of VERSIONS) {
      await t.step(`${clientVersion} to ${backendVersion}`, async () => {
        await using setting = open(backendVersion, accept);
        if (backendVersion === "h2") {
          setting.near.service.announceConnect(`127.0.0.1:${setting.far.port} h2`);
        }
        const { peer } = setting.near.client(clientVersion);
        if (clientVersion === "h2") {
          await peer.until(
            "SETTINGS",
            () => "canExtendedConnect" in peer.codec && peer.codec.canExtendedConnect,
          );
        }
        const stream = ask(peer, clientVersion);
        await peer.until("answer", () => stream.status !== undefined);
        assert.equal(stream.status, clientVersion === "h2" ? 200 : 101);
        const { fields } = stream.responses[0]!;
        assert.deepEqual(valuesOf(fields, "sec-websocket-protocol"), ["chat"]);
        assert.deepEqual(valuesOf(fields, "sec-websocket-accept"), clientVersion === "h2" ? [] : [ACCEPT]);
        const received = setting.far.streams[0]!;
        assert.deepEqual([received.request!.path, received.request!.protocol], ["/chat", "websocket"]);
        stream.send("ping");
        await setting.far.until("ping", () => received.text === "ping");
        received.send("pong");
        await peer.until("pong", () => stream.text === "pong");
        stream.send("bye", true);
        await setting.far.until("end", () => received.isEnded);
        received.send("end", true);
        await peer.until("end", () => stream.isEnded);
        assert.deepEqual([received.text, stream.text], ["pingbye", "pongend"]);
      });
    }
  }
});

Deno.test("an answer that is no valid acceptance opens no tunnel", async (t) => {
  const wrong: Answer = (stream) => {
    const fields = [
      "connection",
      "upgrade",
      "upgrade",
      "websocket",
      "sec-websocket-accept",
      ACCEPT.replace("s", "t"),
    ];
    stream.respond(101, { fields, isOpen: true });
  };
  const rows: readonly (readonly [string, "h2" | "http/1.1", Answer, number, number])[] = [
    ["a wrong proof", "http/1.1", wrong, 502, 502],
    ["200", "http/1.1", (stream) => stream.respond(200, { text: "no" }), 502, 200],
    ["403", "http/1.1", (stream) => stream.respond(403, { text: "no" }), 403, 403],
    ["403 by h2", "h2", (stream) => stream.respond(403, { text: "no" }), 403, 403],
  ];
  for (const [name, version, onHead, toHttp2, toHttp1] of rows) {
    await t.step(name, async () => {
      await using setting = open(version, onHead);
      setting.near.service.announceConnect(`127.0.0.1:${setting.far.port} h2`);
      for (const clientVersion of VERSIONS) {
        const { peer } = setting.near.client(clientVersion);
        if (clientVersion === "h2") {
          await peer.until(
            "SETTINGS",
            () => "canExtendedConnect" in peer.codec && peer.codec.canExtendedConnect,
          );
        }
        const stream = ask(peer, clientVersion);
        await peer.until("answer", () => stream.isOver);
        assert.equal(stream.status, clientVersion === "h2" ? toHttp2 : toHttp1);
      }
    });
  }
});

Deno.test("a backend that hasn't announced WebSockets over HTTP/2 gives 501, a client without a key 400", async () => {
  await using setting = open("h2", accept, false);
  const { peer } = setting.near.client("http/1.1");
  const stream = ask(peer, "http/1.1");
  await peer.until("answer", () => stream.status !== undefined);
  assert.equal(stream.status, 501);
  const other = setting.near.client("http/1.1");
  const keyless = ask(other.peer, "http/1.1", "short");
  await other.peer.until("answer", () => keyless.status !== undefined);
  assert.equal(keyless.status, 400);
});
