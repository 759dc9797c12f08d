/** What a client begins and doesn't finish, or doesn't go on with, ends in time and for the right reason. */
import assert from "node:assert/strict";
import { FrameType, PREFACE } from "../../src/http2/frames.ts";
import type { Limits } from "../../src/state/limits.ts";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import { block, concat, frame, GET, POST, settings } from "../http2/raw_peer.ts";
import type { Client } from "./coupling.ts";
import { valuesOf } from "./heads.ts";
import type { Answer } from "./http_peer.ts";
import { Setting } from "./setting.ts";

const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const ACK = 0x1;
const BEGIN = concat(PREFACE, settings(), frame(FrameType.SETTINGS, ACK, 0));
/** Answered at once: 421. */
const REQUEST = ["GET / HTTP/1.1", "Host: other.test", "", ""].join("\r\n");

/** A backend that answers nothing under `/open`. */
function open(limits: Partial<Limits>): Setting {
  const onEnd: Answer = (stream) => {
    if (stream.request!.path !== "/open") stream.respond(200, { text: "hello" });
  };
  return new Setting({ version: "h2", onEnd }, { limits });
}

/** A client of HTTP/2 whose bytes are all made by hand. */
function rawClient({ near }: Setting): Client {
  return near.client("h2", { isSilent: true });
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const timeout = Promise.withResolvers<never>();
  const timer = setTimeout(() => timeout.reject(new DOMException(`no ${what}`, "TimeoutError")), 5_000);
  return await Promise.race([promise, timeout.promise]).finally(() => clearTimeout(timer));
}

const request = (id: number, path: string) =>
  frame(FrameType.HEADERS, END_HEADERS | END_STREAM, id, block(...GET.slice(0, -1), path));
const UNFINISHED = frame(FrameType.HEADERS, END_STREAM, 3, block(...GET));

Deno.test("an HTTP/2 beginning, frame or field block that doesn't end is waited for no longer than a request head", async (t) => {
  const rows: Readonly<Record<string, readonly Uint8Array[]>> = {
    "nothing after TLS": [],
    "half a preface": [PREFACE.subarray(0, 12)],
    "a preface without SETTINGS": [PREFACE],
    "a field block without its end": [BEGIN, UNFINISHED],
    "the same while another stream is open": [BEGIN, request(1, "/open"), UNFINISHED],
    "the same with a CONTINUATION": [BEGIN, UNFINISHED, frame(FrameType.CONTINUATION, 0, 3, block("a", "b"))],
    "no answer to our SETTINGS": [PREFACE, settings()],
    "half a HEADERS frame": [BEGIN, request(1, "/open").subarray(0, 15)],
    "half a frame's header": [BEGIN, Uint8Array.of(0, 0)],
  };
  for (const [name, parts] of Object.entries(rows)) {
    await t.step(name, async () => {
      await using setting = open({ requestHeaderTimeoutMs: 300 });
      const client = rawClient(setting);
      const startedMs = performance.now();
      for (const part of parts) client.sendRaw(part);
      assert.equal(await within(client.ended, "end"), "http_timeout");
      assert.ok(performance.now() - startedMs >= 290);
      assert.equal(client.wasReset, false);
    });
  }
});

Deno.test("requests whose last one is always cut by the end of a read are no head that doesn't end", async (t) => {
  await t.step("h2", async () => {
    await using setting = open({ requestHeaderTimeoutMs: 200 });
    const client = rawClient(setting);
    client.sendRaw(concat(BEGIN, UNFINISHED));
    let bytes = concat(frame(FrameType.CONTINUATION, END_HEADERS, 3), request(5, "/"));
    for (let id = 7; id < 60; id += 2) {
      const cut = bytes.length - 4;
      client.sendRaw(bytes.subarray(0, cut));
      bytes = concat(bytes.subarray(cut), request(id, "/"));
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    assert.equal(client.session.isGone, false);
  });
  await t.step("http/1.1", async () => {
    await using setting = open({ requestHeaderTimeoutMs: 200 });
    const client = setting.near.client("http/1.1");
    let text = REQUEST;
    for (let round = 0; round < 25; round++) {
      client.sendRaw(new TextEncoder().encode(text.slice(0, -4)));
      text = text.slice(-4) + REQUEST;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    assert.equal(client.session.isGone, false);
  });
});

Deno.test("who keeps silent in an exchange is told: 408 the client, 504 the backend", async (t) => {
  const limits = { streamIdleTimeoutMs: 300, responseHeaderTimeoutMs: 0 };
  for (const version of ["h2", "http/1.1"] as const) {
    await t.step(`${version}, a client in the middle of an upload`, async () => {
      await using setting = open(limits);
      const client = setting.near.client(version);
      const stream = client.peer.ask({ method: "POST" }, { text: "part", isOpen: true });
      const received = await setting.far.until("stream", () => setting.far.streams[0]);
      await client.peer.until("answer", () => stream.isOver);
      assert.equal(stream.status, 408);
      assert.notEqual(await setting.far.until("reset", () => received.resetCode), undefined);
      if (version === "h2") {
        const next = client.peer.ask({});
        await client.peer.until("answer", () => next.isOver);
        assert.equal(next.status, 200);
      } else {
        assert.deepEqual(valuesOf(stream.responses[0]!.fields, "connection"), ["close"]);
        await within(client.ended, "end");
      }
    });
    await t.step(`${version}, a backend that takes no more of an upload`, async () => {
      await using setting = open(limits);
      const client = setting.near.client(version);
      const stream = client.peer.ask({ method: "POST" }, { isOpen: true });
      const received = await setting.far.until("stream", () => setting.far.streams[0]);
      received.isHolding = true;
      stream.send(new Uint8Array(400_000));
      await client.peer.until("answer", () => stream.isOver);
      assert.equal(stream.status, 504);
    });
    await t.step(`${version}, a backend that is asked for a 100`, async () => {
      await using setting = open(limits);
      const client = setting.near.client(version);
      const fields = ["expect", "100-continue"];
      const stream = client.peer.ask({ method: "POST", fields }, { isOpen: true });
      await client.peer.until("answer", () => stream.isOver);
      assert.equal(stream.status, 504);
    });
  }
});

Deno.test("a response that stops is cut off because it was idle", async () => {
  await using setting = open({ streamIdleTimeoutMs: 300 });
  const client = setting.near.client("http/1.1");
  const stream = client.peer.ask({ path: "/open" });
  const received = await setting.far.until("stream", () => setting.far.streams[0]);
  received.respond(200, { isOpen: true });
  assert.equal(await within(client.ended, "end"), "idle");
  assert.deepEqual([stream.status, client.wasReset], [200, true]);
});

Deno.test("a whole response that its client doesn't take ends after stream_idle_timeout", async (t) => {
  const limits = { streamIdleTimeoutMs: 300 };
  await t.step("h2, no window", async () => {
    await using setting = open(limits);
    const client = setting.near.client("h2");
    const stream = client.peer.ask({ path: "/open" });
    stream.isHolding = true;
    const received = await setting.far.until("stream", () => setting.far.streams[0]);
    received.respond(200, { isOpen: true });
    received.send(new Uint8Array(20_000), true);
    await client.peer.until("reset", () => stream.resetCode !== undefined);
    assert.deepEqual([stream.status, stream.isEnded, stream.resetCode], [
      200,
      false,
      ErrorCode.INTERNAL_ERROR,
    ]);
    assert.deepEqual([client.session.exchanges.size, client.session.isGone], [0, false]);
  });
  await t.step("h2, a request that goes on and stops", async () => {
    await using setting = open(limits);
    const client = setting.near.client("h2");
    const stream = client.peer.ask({ method: "POST", path: "/open" }, { text: "part", isOpen: true });
    const received = await setting.far.until("stream", () => setting.far.streams[0]);
    received.respond(200, { text: "early" });
    await client.peer.until("reset", () => stream.resetCode !== undefined);
    assert.deepEqual([stream.status, stream.text, stream.resetCode], [200, "early", ErrorCode.NO_ERROR]);
    await setting.far.until("reset", () => received.resetCode !== undefined);
  });
  await t.step("http/1.1, nothing is read", async () => {
    await using setting = open(limits);
    const client = setting.near.client("http/1.1");
    const first = client.peer.ask({});
    await client.peer.until("answer", () => first.isOver);
    client.isStalled = true;
    client.peer.ask({ path: "/open" });
    const received = await setting.far.until("stream", () => setting.far.streams[1]);
    received.respond(200, { isOpen: true });
    await new Promise((resolve) => setTimeout(resolve, 50));
    received.send(new Uint8Array(60_000), true);
    assert.equal(await within(client.ended, "end"), "idle");
    assert.equal(client.wasReset, true);
  });
});

Deno.test("a client that doesn't read what it is owed is cut off when its HTTP is over", async (t) => {
  const rows: readonly [
    name: string,
    version: "h2" | "http/1.1",
    reason: string,
    end: (client: Client) => void,
  ][] = [
    ["a response that it doesn't take", "http/1.1", "idle", () => {}],
    ["a drain", "h2", "drained", (client) => client.session.drain("drained")],
    ["garbage", "h2", "http_malformed", (client) => client.sendRaw(frame(FrameType.DATA, 0, 0))],
  ];
  for (const [name, version, reason, end] of rows) {
    await t.step(`${version}, ${name}`, async () => {
      await using setting = open({ streamIdleTimeoutMs: 300 });
      const client = setting.near.client(version);
      const first = client.peer.ask({});
      await client.peer.until("answer", () => first.isOver);
      client.isStalled = true;
      client.peer.ask({ path: "/open" });
      const received = await setting.far.until("stream", () => setting.far.streams[1]);
      received.respond(200, { isOpen: true });
      for (let part = 0; part < 20; part++) received.send(new Uint8Array(65_536));
      while (!client.session.codec.hasOutput) await new Promise((resolve) => setTimeout(resolve, 5));
      end(client);
      assert.equal(await within(client.ended, "end"), reason);
      assert.equal(client.wasReset, true);
    });
  }
});

Deno.test("a connection says why its HTTP ended", async (t) => {
  const malformed = "GET / HTTP/1.1\r\nHost: app.test\r\nHost: app.test\r\n\r\n";
  const rows: readonly [string, "h2" | "http/1.1", (client: Client) => void, string][] = [
    ["no HTTP/2", "h2", (client) => client.sendRaw(new TextEncoder().encode(malformed)), "http_malformed"],
    [
      "a broken frame",
      "h2",
      (client) => client.sendRaw(concat(BEGIN, frame(FrameType.DATA, 0, 0))),
      "http_malformed",
    ],
    [
      "a request that could smuggle",
      "h2",
      (client) => {
        const head = block(...POST, "x", "a\r\nb");
        client.sendRaw(concat(BEGIN, frame(FrameType.HEADERS, END_HEADERS, 1, head)));
      },
      "http_malformed",
    ],
    [
      "two hosts",
      "http/1.1",
      (client) => client.sendRaw(new TextEncoder().encode(malformed)),
      "http_malformed",
    ],
    ["its end", "h2", (client) => client.leave(), "client_eof"],
    ["its end in a stream", "h2", (client) => {
      client.sendRaw(concat(BEGIN, request(1, "/open")));
      client.leave();
    }, "client_eof"],
    ["its end in a head", "http/1.1", (client) => {
      client.sendRaw(new TextEncoder().encode("GET /"));
      queueMicrotask(() => client.leave());
    }, "client_eof"],
    ["its reset", "h2", (client) => client.leave(true), "client_reset"],
    ["its reset", "http/1.1", (client) => client.leave(true), "client_reset"],
  ];
  for (const [name, version, act, reason] of rows) {
    await t.step(`${version}, ${name}`, async () => {
      await using setting = open({});
      const client = version === "h2" ? rawClient(setting) : setting.near.client(version);
      act(client);
      assert.equal(await within(client.ended, "end"), reason);
    });
  }
});

Deno.test("a backend that leaves in the middle of a response is why an HTTP/1.1 connection ends", async () => {
  await using setting = open({});
  const client = setting.near.client("http/1.1");
  client.peer.ask({ path: "/open" });
  const received = await setting.far.until("stream", () => setting.far.streams[0]);
  received.respond(200, { isOpen: true });
  await client.peer.until("head", () => [...client.peer.streams.values()][0]!.status === 200);
  received.cancel(ErrorCode.INTERNAL_ERROR);
  assert.equal(await within(client.ended, "end"), "backend_reset");
  assert.equal(client.wasReset, true);
});
