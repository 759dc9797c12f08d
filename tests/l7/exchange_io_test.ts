import assert from "node:assert/strict";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import type { BackendOptions } from "./codec_backend.ts";
import { Coupling, type CouplingOptions } from "./coupling.ts";
import { valuesOf } from "./heads.ts";
import type { Answer } from "./http_peer.ts";
import { Setting } from "./setting.ts";

const VERSIONS = ["h2", "http/1.1"] as const;
const GRPC = ["content-type", "application/grpc", "te", "trailers"];

/** What a test wants to be other than usual. */
interface Wishes {
  readonly backend?: Partial<BackendOptions>;
  readonly coupling?: Omit<CouplingOptions, "port">;
}

/** A backend of that version that answers with a word. */
function open(version: "h2" | "http/1.1", { backend, coupling }: Wishes = {}): Setting {
  const onEnd: Answer = (stream) => stream.respond(200, { text: "hello" });
  return new Setting({ version, onEnd, ...backend }, coupling);
}

Deno.test("an exchange couples any version with any: head, content both ways, keep-alive", async (t) => {
  for (const clientVersion of VERSIONS) {
    for (const backendVersion of VERSIONS) {
      await t.step(`${clientVersion} to ${backendVersion}`, async () => {
        const backend = {
          onEnd: (stream) => stream.respond(201, { text: stream.text.toUpperCase() }),
        } as BackendOptions;
        await using setting = open(backendVersion, { backend });
        const { peer } = setting.near.client(clientVersion);
        for (let round = 0; round < 3; round++) {
          const stream = peer.ask({ method: "POST", path: `/${round}` }, { text: `round ${round}` });
          await peer.until("answer", () => stream.isOver);
          assert.deepEqual([stream.status, stream.text], [201, `ROUND ${round}`]);
        }
        assert.equal(setting.far.connections.length, 1);
        assert.deepEqual(setting.far.streams.map(({ request }) => request?.path), ["/0", "/1", "/2"]);
        assert.deepEqual(setting.near.events.map(({ status, bytes_sent }) => [status, bytes_sent]), [
          [201, 7],
          [201, 7],
          [201, 7],
        ]);
      });
    }
  }
});

Deno.test("trailers pass in both directions, and end what they end", async (t) => {
  for (const clientVersion of VERSIONS) {
    for (const backendVersion of VERSIONS) {
      await t.step(`${clientVersion} to ${backendVersion}`, async () => {
        const onEnd: BackendOptions["onEnd"] = (stream) => {
          stream.respond(200, { fields: ["trailer", "grpc-status"], isOpen: true });
          stream.send("part");
          stream.finish(["grpc-status", "0"]);
        };
        await using setting = open(backendVersion, { backend: { onEnd } });
        const { peer } = setting.near.client(clientVersion);
        const stream = peer.ask({ method: "POST", fields: GRPC }, { text: "message", isOpen: true });
        stream.finish(["x-checksum", "7"]);
        await peer.until("answer", () => stream.isOver);
        assert.deepEqual([stream.text, stream.trailers], ["part", ["grpc-status", "0"]]);
        const [received] = setting.far.streams;
        assert.deepEqual([received!.text, received!.trailers], ["message", ["x-checksum", "7"]]);
      });
    }
  }
});

Deno.test("a trailers-only response stays one frame: the head ends the stream", async () => {
  const onHead: BackendOptions["onHead"] = (stream) => stream.respond(200, { fields: ["grpc-status", "5"] });
  await using setting = open("h2", { backend: { onHead, onEnd: () => {} } });
  const { peer } = setting.near.client("h2");
  const stream = peer.ask({ method: "POST", fields: GRPC }, { text: "m" });
  await peer.until("answer", () => stream.isOver);
  assert.deepEqual([stream.isEnded, stream.trailers, valuesOf(stream.responses[0]!.fields, "grpc-status")], [
    true,
    undefined,
    ["5"],
  ]);
});

Deno.test("an early response passes while the client still sends, and both directions go on", async () => {
  const onHead: BackendOptions["onHead"] = (stream) => stream.respond(200, { isOpen: true });
  await using setting = open("h2", { backend: { onHead, onEnd: (stream) => stream.send("bye", true) } });
  const { peer } = setting.near.client("h2");
  const stream = peer.ask({ method: "POST", fields: GRPC }, { isOpen: true });
  await peer.until("head", () => stream.status === 200);
  const received = setting.far.streams[0]!;
  for (const word of ["one", "two", "three"]) {
    stream.send(word);
    await setting.far.until(word, () => received.text.endsWith(word));
    received.send(`${word}!`);
    await peer.until(word, () => stream.text.endsWith(`${word}!`));
  }
  stream.send("", true);
  await peer.until("end", () => stream.isEnded);
  assert.equal(stream.text, "one!two!three!bye");
});

Deno.test("a client's cancel reaches the backend as a reset, its going away too", async (t) => {
  for (const how of ["cancel", "leave", "reset"]) {
    await t.step(how, async () => {
      await using setting = open("h2", { backend: { onEnd: () => {} } });
      const client = setting.near.client("h2");
      const stream = client.peer.ask({ fields: GRPC });
      const received = await setting.far.until("stream", () => setting.far.streams[0]);
      if (how === "cancel") stream.cancel(ErrorCode.CANCEL);
      else client.leave(how === "reset");
      assert.equal(await setting.far.until("reset", () => received.resetCode), ErrorCode.CANCEL);
      assert.equal(setting.near.events[0]?.status, 0);
    });
  }
});

Deno.test("an aborted request never looks complete to an HTTP/1.1 backend", async () => {
  await using setting = open("http/1.1");
  const { peer } = setting.near.client("h2");
  const stream = peer.ask({ method: "POST" }, { text: "half", isOpen: true });
  const received = await setting.far.until(
    "half",
    () => setting.far.streams.find(({ text }) => text === "half"),
  );
  stream.cancel(ErrorCode.CANCEL);
  await setting.far.until("end", () => setting.far.connections[0]!.isEnded);
  assert.equal(received.isEnded, false);
});

Deno.test("a backend's reset codes pass to an h2 client, unknown ones as INTERNAL_ERROR", async (t) => {
  const rows = [
    [ErrorCode.CANCEL, ErrorCode.CANCEL],
    [ErrorCode.INTERNAL_ERROR, ErrorCode.INTERNAL_ERROR],
    [ErrorCode.ENHANCE_YOUR_CALM, ErrorCode.ENHANCE_YOUR_CALM],
    [ErrorCode.NO_ERROR, ErrorCode.NO_ERROR],
    [ErrorCode.FLOW_CONTROL_ERROR, ErrorCode.INTERNAL_ERROR],
    [99, ErrorCode.INTERNAL_ERROR],
  ];
  for (const [sent, expected] of rows) {
    await t.step(`${sent}`, async () => {
      const onHead: BackendOptions["onHead"] = (stream) => {
        stream.respond(200, { text: "part", isOpen: true });
        stream.cancel(sent!);
      };
      await using setting = open("h2", { backend: { onHead, onEnd: () => {} } });
      const { peer } = setting.near.client("h2");
      const stream = peer.ask({ method: "POST" }, { isOpen: true });
      assert.equal(
        await peer.until("reset", () => stream.resetCode === undefined ? undefined : [stream.resetCode]).then(
          ([code]) => code,
        ),
        expected,
      );
    });
  }
});

Deno.test("a truncated response never looks complete", async (t) => {
  for (const clientVersion of VERSIONS) {
    for (const backendVersion of VERSIONS) {
      await t.step(`${backendVersion} to ${clientVersion}`, async () => {
        const onEnd: BackendOptions["onEnd"] = (stream) =>
          stream.respond(200, { text: "half of it", isOpen: true });
        await using setting = open(backendVersion, { backend: { onEnd } });
        const client = setting.near.client(clientVersion);
        const stream = client.peer.ask({});
        await client.peer.until("half", () => stream.text === "half of it");
        setting.far.connections[0]!.close();
        if (clientVersion === "h2") await client.peer.until("reset", () => stream.resetCode !== undefined);
        else await client.ended;
        assert.deepEqual([stream.isEnded, client.wasReset], [false, clientVersion === "http/1.1"]);
      });
    }
  }
});

Deno.test("what the backend certainly has not seen is sent once more, content included, and once only", async (t) => {
  for (const refusals of [1, 2]) {
    await t.step(`refused ${refusals} times`, async () => {
      let left = refusals;
      const onEnd: BackendOptions["onEnd"] = (stream) => {
        if (left-- > 0) stream.cancel(ErrorCode.REFUSED_STREAM);
        else stream.respond(200, { text: stream.text });
      };
      await using setting = open("h2", { backend: { onEnd } });
      const { peer } = setting.near.client("h2");
      const stream = peer.ask({ method: "POST" }, { text: "again" });
      await peer.until("answer", () => stream.isOver);
      if (refusals === 1) assert.deepEqual([stream.status, stream.text], [200, "again"]);
      else assert.equal(stream.resetCode, ErrorCode.REFUSED_STREAM);
      assert.deepEqual(setting.near.events.map(({ retried }) => retried), [true]);
    });
  }
});

Deno.test("an idempotent request without content is repeated when a reused connection died before an answer", async (t) => {
  for (const [method, isRepeated] of [["GET", true], ["DELETE", true], ["POST", false]] as const) {
    for (const version of VERSIONS) {
      await t.step(`${method} ${version}`, async () => {
        const onEnd: BackendOptions["onEnd"] = (stream) => {
          if (stream.request!.path === "/dies") setting.far.connections[0]!.close();
          else stream.respond(200);
        };
        await using setting = open(version, {
          backend: {
            onEnd: (stream) => setting.far.connections.length === 1 ? onEnd(stream) : stream.respond(203),
          },
        });
        const { peer } = setting.near.client("h2");
        const first = peer.ask({});
        await peer.until("answer", () => first.isOver);
        const second = peer.ask({ method, path: "/dies" });
        await peer.until("answer", () => second.isOver);
        assert.equal(second.status, isRepeated ? 203 : 502);
      });
    }
  }
});

Deno.test("a connection's first request that dies is not repeated", async () => {
  await using setting = open("h2", { backend: { onEnd: () => setting.far.connections.at(-1)!.close() } });
  const { peer } = setting.near.client("h2");
  const stream = peer.ask({});
  await peer.until("answer", () => stream.isOver);
  assert.deepEqual([stream.status, setting.far.streams.length], [502, 1]);
});

Deno.test("the proxy's own answers are gRPC statuses for gRPC calls", async (t) => {
  const rows = [
    ["/late", { responseHeaderTimeoutMs: 200 }, [], 504, undefined],
    ["/late", { streamIdleTimeoutMs: 200, responseHeaderTimeoutMs: 0 }, [], 504, undefined],
  ] as const;
  for (const [path, limits, fields, status, grpcStatus] of rows) {
    await t.step(`${status} ${JSON.stringify(limits)}`, async () => {
      await using setting = open("h2", { backend: { onEnd: () => {} }, coupling: { limits } });
      const { peer } = setting.near.client("h2");
      const stream = peer.ask({ path, fields: [...fields] });
      await peer.until("answer", () => stream.isOver);
      assert.deepEqual([stream.status, valuesOf(stream.responses[0]!.fields, "grpc-status")[0]], [
        status,
        grpcStatus,
      ]);
      const received = setting.far.streams[0]!;
      assert.equal(await setting.far.until("reset", () => received.resetCode), ErrorCode.CANCEL);
    });
  }
  await t.step("no connection", async () => {
    await using near = new Coupling({ port: 1 });
    const { peer } = near.client("h2");
    const plain = peer.ask({});
    const call = peer.ask({ method: "POST", fields: GRPC }, { text: "m" });
    await peer.until("answers", () => plain.isOver && call.isOver);
    assert.deepEqual([plain.status, /^502 /.test(plain.text)], [502, true]);
    assert.deepEqual([call.status, valuesOf(call.responses[0]!.fields, "grpc-status")], [200, ["14"]]);
  });
  await t.step("no descriptor", async () => {
    await using setting = open("h2", { coupling: { connectionsMax: 0 } });
    const { peer } = setting.near.client("h2");
    const plain = peer.ask({});
    await peer.until("answer", () => plain.isOver);
    assert.equal(plain.status, 503);
  });
});

Deno.test("a gRPC call has no response timeout, and ends when it is blocked on a window", async () => {
  const limits = { responseHeaderTimeoutMs: 200, streamIdleTimeoutMs: 400 };
  await using setting = open("h2", { backend: { onEnd: () => {} }, coupling: { limits } });
  const { peer } = setting.near.client("h2");
  const patient = peer.ask({ fields: GRPC });
  const plain = peer.ask({});
  const blocked = peer.ask({ fields: GRPC, path: "/blocked" });
  blocked.isHolding = true;
  const received = await setting.far.until(
    "stream",
    () => setting.far.streams.find(({ request }) => request!.path === "/blocked"),
  );
  received.respond(200, { isOpen: true });
  received.send(new Uint8Array(100_000));
  await peer.until("end of the blocked one", () => blocked.resetCode !== undefined);
  assert.deepEqual([patient.isOver, plain.status], [false, 504]);
});

Deno.test("a request for another route's name is misdirected, and one over the limit too large", async () => {
  await using setting = open("h2", { coupling: { l7: { maxBodyBytes: 10 } } });
  const { peer } = setting.near.client("h2");
  const rows = [
    [peer.ask({ authority: "other.test" }), 421],
    [peer.ask({ authority: "nowhere.test" }), 421],
    [peer.ask({ authority: "APP.test.:8443" }), 200],
    [peer.ask({ method: "POST", fields: ["content-length", "11"] }, { text: "12345678901" }), 413],
    [peer.ask({ method: "POST" }, { text: "12345678901" }), 413],
    [peer.ask({ method: "POST" }, { text: "1234567890" }), 200],
    [peer.ask({ method: "CONNECT", scheme: "", path: "" }, { isOpen: true }), 405],
  ] as const;
  await peer.until("answers", () => rows.every(([stream]) => stream.status !== undefined));
  assert.deepEqual(rows.map(([stream]) => stream.status), rows.map(([, status]) => status));
});

Deno.test("a drain announces the end, lets open streams finish and then ends the connection", async (t) => {
  for (const version of VERSIONS) {
    await t.step(version, async () => {
      await using setting = open("h2", { backend: { onEnd: () => {} } });
      const client = setting.near.client(version);
      const stream = client.peer.ask({});
      const received = await setting.far.until("stream", () => setting.far.streams[0]);
      client.session.drain("route_removed");
      if (version === "h2") await client.peer.until("GOAWAY", () => client.peer.goAways.length > 0);
      received.respond(200, { text: "last" });
      await client.peer.until("answer", () => stream.isOver);
      assert.equal(stream.text, "last");
      assert.equal(await client.ended, "route_removed");
      assert.equal(client.wasFinished, true);
    });
  }
});

Deno.test("an idle client connection ends in good order", async (t) => {
  for (const version of VERSIONS) {
    await t.step(version, async () => {
      await using setting = open("h2", { coupling: { limits: { httpIdleTimeoutMs: 200 } } });
      const client = setting.near.client(version);
      const stream = client.peer.ask({});
      await client.peer.until("answer", () => stream.isOver);
      assert.equal(await client.ended, "http_idle");
      assert.deepEqual([client.wasFinished, client.wasReset], [true, false]);
    });
  }
});

Deno.test("backend connections end when they are idle, and the next request gets a new one", async (t) => {
  for (const version of VERSIONS) {
    await t.step(version, async () => {
      await using setting = open(version, { coupling: { limits: { backendIdleTimeoutMs: 100 } } });
      const { peer } = setting.near.client("h2");
      for (let round = 1; round <= 2; round++) {
        const stream = peer.ask({});
        await peer.until("answer", () => stream.isOver);
        assert.equal(stream.status, 200);
        await setting.far.until("end", () => setting.far.connections[round - 1]!.isEnded);
      }
      assert.equal(setting.far.connections.length, 2);
    });
  }
});

Deno.test("HTTP/2 connections are grown by the backend's stream limit, HTTP/1.1 ones by requests", async (t) => {
  for (const version of VERSIONS) {
    await t.step(version, async () => {
      await using setting = open(version, {
        backend: { onEnd: () => {}, http2: { maxConcurrentStreams: 2 } },
      });
      const { peer } = setting.near.client("h2");
      const warm = peer.ask({});
      const received = await setting.far.until("stream", () => setting.far.streams[0]);
      received.respond(200);
      await peer.until("answer", () => warm.isOver);
      const asked = Array.from({ length: 6 }, () => peer.ask({}));
      await setting.far.until("streams", () => setting.far.streams.length === 7);
      const used = setting.far.connections.map(({ peer }) => peer.streams.size);
      assert.deepEqual(used, version === "h2" ? [3, 2, 2] : [2, 1, 1, 1, 1, 1]);
      for (const stream of setting.far.streams) stream.respond(200);
      await peer.until("answers", () => asked.every(({ isOver }) => isOver));
    });
  }
});

Deno.test("many requests at once on no connection yet keep to the stream limit that the backend tells", async () => {
  await using setting = open("h2", { backend: { onEnd: () => {}, http2: { maxConcurrentStreams: 2 } } });
  const { peer } = setting.near.client("h2");
  const asked = Array.from({ length: 6 }, () => peer.ask({}));
  await setting.far.until("streams", () => setting.far.streams.length === 6);
  assert.deepEqual(setting.far.connections.map(({ peer }) => peer.streams.size), [2, 2, 2]);
  for (const stream of setting.far.streams) stream.respond(200);
  await peer.until("answers", () => asked.every(({ isOver }) => isOver));
  assert.deepEqual(asked.map(({ status }) => status), Array(6).fill(200));
});

Deno.test("a backend that leaves without a word fails all who wait for it at once", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  let accepted = 0;
  const accepting = (async () => {
    for await (const conn of listener) {
      accepted++;
      await conn.read(new Uint8Array(1_024));
      conn.close();
    }
  })();
  await using near = new Coupling({ port: listener.addr.port, l7: { backendProtocol: "h2c" } });
  const { peer } = near.client("h2");
  const asked = Array.from({ length: 6 }, () => peer.ask({}));
  await peer.until("answers", () => asked.every(({ isOver }) => isOver));
  assert.deepEqual(asked.map(({ status }) => status), Array(6).fill(502));
  assert.ok(accepted <= 2, `${accepted} connections`);
  listener.close();
  await accepting;
});

Deno.test("with a PROXY header a backend connection belongs to one client, and begins with it", async () => {
  await using setting = open("http/1.1", { coupling: { sendProxyProtocol: true } });
  const streams = Array.from({ length: 2 }, () => {
    const { peer } = setting.near.client("h2");
    return { peer, stream: peer.ask({}) };
  });
  for (const { peer, stream } of streams) await peer.until("answer", () => stream.isOver);
  // A header is no request: the codec behind it refuses what stands first.
  assert.deepEqual(streams.map(({ stream }) => stream.status), [400, 400]);
  assert.equal(setting.far.connections.length, 2);
});
