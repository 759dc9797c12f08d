// deno-lint-ignore-file no-top-level-await -- a program, nothing imports it
/**
 * What it costs to forward a request and its content from one HTTP/2 connection to another, beside npm's `http2`
 * (molnarg/node-http2, the one in JavaScript that came before Node's own) in the same run. Both sides are four
 * codec ends in one process, client, proxy (two of them) and backend, without sockets, and do the same work. Before
 * the clock starts each side's answer is checked. Run: `deno task bench:micro tests/bench/http2_forwarding_bench.ts`.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import protocol from "http2/lib/protocol/index.js";
import { Http2Connection } from "../../src/http2/connection.ts";
import { type HttpHandler, NEVER_INDEXED_NONE, type RequestHead } from "../../src/wire/http_handler.ts";

const REQUEST_FIELDS = ["accept", "text/html", "accept-language", "de-DE,de;q=0.9", "cookie", "theme=dark"];
const RESPONSE_FIELDS = ["content-type", "text/html; charset=utf-8", "cache-control", "private"];
const HEAD: RequestHead = {
  method: "GET",
  scheme: "https",
  authority: "www.example.org",
  path: "/articles/1000/view?page=1",
  fields: REQUEST_FIELDS,
  neverIndexed: NEVER_INDEXED_NONE,
};
/** One answer: so many pieces of so many bytes. */
const SMALL = { pieces: 1, bytes: 300 };
const LARGE = { pieces: 16, bytes: 65_536 };
type Answer = typeof SMALL;

function piece(answer: Answer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(answer.bytes).fill(0x61);
}

/** Ours: a client, a front (server role), a back (client role), and a backend. */
class Chain {
  readonly client: Http2Connection;
  readonly front: Http2Connection;
  readonly back: Http2Connection;
  readonly backend: Http2Connection;
  received = 0;
  responses = 0;
  #backOf = new Map<number, number>();
  #frontOf = new Map<number, number>();

  constructor(answer: Answer) {
    const content = piece(answer);
    const none = {
      response() {},
      request() {},
      data() {},
      trailers() {},
      reset() {},
      taken() {},
      goAway() {},
    };
    const idle = { ...none, ready() {}, closed() {} };
    const response = {
      status: 200,
      fields: RESPONSE_FIELDS,
      neverIndexed: NEVER_INDEXED_NONE,
    };
    const backend: HttpHandler = {
      ...idle,
      request: (id) => {
        this.backend.response(id, response, false);
        for (let left = answer.pieces; left > 0; left--) this.backend.data(id, content, left === 1);
      },
    };
    const front: HttpHandler = {
      ...idle,
      request: (id, head, end) => {
        const backId = this.back.request(head, end)!;
        this.#backOf.set(id, backId);
        this.#frontOf.set(backId, id);
      },
      taken: (id, bytes) => this.back.credit(this.#backOf.get(id)!, bytes),
    };
    const back: HttpHandler = {
      ...idle,
      response: (id, head, end) => this.front.response(this.#frontOf.get(id)!, head, end),
      data: (id, bytes, _flow, end) => this.front.data(this.#frontOf.get(id)!, bytes, end),
    };
    const client: HttpHandler = {
      ...idle,
      data: (id, bytes, flow, end) => {
        this.received += bytes.length;
        this.client.credit(id, flow);
        if (end) this.responses++;
      },
    };
    const limits = { maxControlFramesPerSecond: 1e9, maxBufferedBytesPerConnection: 8_388_608 };
    this.client = new Http2Connection(client, { role: "client", ...limits });
    this.front = new Http2Connection(front, { role: "server", ...limits });
    this.back = new Http2Connection(back, { role: "client", ...limits });
    this.backend = new Http2Connection(backend, { role: "server", ...limits });
    this.run();
  }

  /** One request and its whole answer; returns the bytes of content that came. */
  request(): number {
    const before = this.received;
    this.client.request(HEAD, true);
    this.run();
    return this.received - before;
  }

  /** Moves bytes until nobody has anything to say. */
  run(): void {
    for (let moved = true; moved;) {
      moved = false;
      moved = move(this.client, this.front) || moved;
      moved = move(this.back, this.backend) || moved;
      moved = move(this.backend, this.back) || moved;
      moved = move(this.front, this.client) || moved;
    }
  }
}

function move(from: Http2Connection, to: Http2Connection): boolean {
  if (!from.hasOutput) return false;
  to.receive(from.takeOutput(), 0);
  return true;
}

/** The part of a stream of theirs that is used here: a Node stream with heads. */
interface TheirStream {
  headers(fields: Record<string, string>): void;
  write(bytes: Uint8Array): void;
  end(bytes?: Uint8Array): void;
  pipe(to: TheirStream): void;
  resume(): void;
  on(event: "headers", listener: (fields: Record<string, string>) => void): void;
  on(event: "data", listener: (bytes: Uint8Array) => void): void;
  on(event: "end" | "error", listener: (error?: Error) => void): void;
}
interface TheirEndpoint {
  createStream(): TheirStream;
  pipe(to: TheirEndpoint): void;
  on(event: "stream", listener: (stream: TheirStream) => void): void;
}
type TheirLog = Record<"trace" | "debug" | "info" | "warn" | "error" | "fatal", () => void> & {
  child(): TheirLog;
};
const { Endpoint } = protocol as unknown as {
  Endpoint: new (log: TheirLog, role: "CLIENT" | "SERVER", settings: object) => TheirEndpoint;
};
const none = () => {};
const LOG: TheirLog = {
  ...{ trace: none, debug: none, info: none, warn: none, error: none, fatal: none },
  child: () => LOG,
};

function record(fields: readonly string[]): Record<string, string> {
  const entries: Record<string, string> = {};
  for (let index = 0; index < fields.length; index += 2) entries[fields[index]!] = fields[index + 1]!;
  return entries;
}

/** Theirs: the same four ends, coupled by streams as their documentation couples them. */
class TheirChain {
  readonly #client = new Endpoint(LOG, "CLIENT", {});

  constructor(answer: Answer) {
    const front = new Endpoint(LOG, "SERVER", {});
    const back = new Endpoint(LOG, "CLIENT", {});
    const backend = new Endpoint(LOG, "SERVER", {});
    for (const [one, other] of [[this.#client, front], [back, backend]] as const) {
      one.pipe(other);
      other.pipe(one);
    }
    const content = Buffer.from(piece(answer).buffer);
    backend.on("stream", (stream) => {
      stream.on("headers", () => {
        stream.headers({ ":status": "200", ...record(RESPONSE_FIELDS) });
        for (let left = answer.pieces; left > 1; left--) stream.write(content);
        stream.end(content);
      });
      stream.resume();
    });
    front.on("stream", (stream) => {
      stream.on("headers", (fields) => {
        const there = back.createStream();
        there.on("headers", (response) => stream.headers(response));
        there.headers(fields);
        there.end();
        there.pipe(stream);
      });
      stream.resume();
    });
  }

  /** One request and its whole answer; returns the bytes of content that came. */
  request(): Promise<number> {
    const stream = this.#client.createStream();
    const { method, scheme, authority, path, fields } = HEAD;
    stream.headers({
      ...{ ":method": method, ":scheme": scheme, ":authority": authority, ":path": path },
      ...record(fields),
    });
    stream.end();
    let received = 0;
    stream.on("data", (bytes) => received += bytes.length);
    return new Promise((resolve, reject) => {
      stream.on("end", () => resolve(received));
      stream.on("error", reject);
    });
  }
}

for (
  const [group, answer] of [["one request, 300 bytes of answer", SMALL], ["1 MiB of content", LARGE]] as const
) {
  const ours = new Chain(answer);
  const theirs = new TheirChain(answer);
  const wanted = answer.pieces * answer.bytes;
  for (let round = 0; round < 3; round++) {
    assert.equal(ours.request(), wanted);
    assert.equal(await theirs.request(), wanted);
  }
  Deno.bench(`${group} through backend, proxy and client`, { group, baseline: true }, () => {
    ours.request();
  });
  Deno.bench(`${group}: npm's http2`, { group }, async () => {
    await theirs.request();
  });
}
