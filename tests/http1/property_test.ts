/**
 * Two machines of ours talk through a random splitter, with random credit: no byte is lost, doubled or moved.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { Http1ClientConnection } from "../../src/http1/client_connection.ts";
import { Http1ServerConnection } from "../../src/http1/server_connection.ts";
import type { Fields, RequestHead, ResponseHead } from "../../src/wire/http_handler.ts";
import { numbers, Pipe } from "./pipe.ts";
import { bytesOf, Recorder, requestHead, responseHead, textOf } from "./recorder.ts";

/** Puts a machine's output on the wire. What is given back may be written over: nothing of it may be needed any more. */
function send(from: Http1ClientConnection | Http1ServerConnection, to: Pipe): void {
  const output = from.takeOutput();
  to.put(output);
  output.fill(0xee);
  from.giveBack(output);
}

/** One message's content: pieces as its owner gives them, whether the length is declared, trailers. */
interface Content {
  readonly pieces: readonly string[];
  readonly isDeclared: boolean;
  readonly trailers: Fields;
}

interface Talk {
  readonly method: string;
  readonly request: Content;
  readonly response: Content;
  readonly status: number;
  readonly interim: number;
  readonly answersEarly: boolean;
}

const content: fc.Arbitrary<Content> = fc.record({
  pieces: fc.array(fc.string({ unit: "binary-ascii", maxLength: 90 }), { maxLength: 4 }),
  isDeclared: fc.boolean(),
  trailers: fc.constantFrom<Fields>([], ["x-sum", "1"], ["x-a", "\xe9", "x-b", ""]),
});

const talk: fc.Arbitrary<Talk> = fc.record({
  method: fc.constantFrom("GET", "POST", "HEAD", "PUT"),
  request: content,
  response: content,
  status: fc.constantFrom(200, 204, 304, 404),
  interim: fc.nat({ max: 3 }),
  answersEarly: fc.boolean(),
});

function lengthOf(message: Content): number {
  return message.pieces.reduce((bytes, piece) => bytes + piece.length, 0);
}

/** The fields that declare the length, if it is to be declared. */
function fieldsOf(message: Content): string[] {
  return message.isDeclared ? ["content-length", String(lengthOf(message))] : [];
}

/** What one side has received of one message, and the credit it owes. */
class Reception extends Recorder {
  text = "";
  fields: Fields = [];
  isEnded = false;
  owed = 0;
  owedMax = 0;
  statuses: number[] = [];

  start(): void {
    this.text = "";
    this.fields = [];
    this.isEnded = false;
    this.owed = 0;
  }

  override request(streamId: number, head: RequestHead, end: boolean): void {
    this.start();
    super.request(streamId, head, end);
    this.isEnded = end;
  }

  override response(streamId: number, head: ResponseHead, end: boolean): void {
    super.response(streamId, head, end);
    this.statuses.push(head.status);
    this.isEnded = end;
  }

  override data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    super.data(streamId, bytes, flowBytes, end);
    assert.equal(this.isEnded, false);
    this.text += textOf(bytes);
    this.owed += flowBytes;
    this.owedMax = Math.max(this.owedMax, this.owed);
    this.isEnded = end;
  }

  override trailers(streamId: number, fields: Fields): void {
    super.trailers(streamId, fields);
    assert.equal(this.isEnded, false);
    this.fields = fields;
    this.isEnded = true;
  }
}

/** The things that an owner does to send one message, in order. */
function steps(
  connection: Http1ClientConnection | Http1ServerConnection,
  id: number,
  message: Content,
): (() => void)[] {
  const all = message.pieces.map((piece) => () => connection.data(id, bytesOf(piece), false));
  if (message.trailers.length > 0) all.push(() => connection.trailers(id, message.trailers));
  else all.push(() => connection.data(id, new Uint8Array(0), true));
  return all;
}

const WINDOW_BYTES = 40;
const SPLIT_BYTES = 30;

/** Lets both sides do one talk, at random, and checks what each received. */
class Wire {
  readonly #random: (bound: number) => number;
  readonly #up = new Pipe();
  readonly #down = new Pipe();
  readonly server = new Reception();
  readonly client = new Reception();
  readonly serverConnection = new Http1ServerConnection(this.server, { bodyWindowBytes: WINDOW_BYTES });
  readonly clientConnection = new Http1ClientConnection(this.client, { bodyWindowBytes: WINDOW_BYTES });

  constructor(seed: number) {
    this.#random = numbers(seed);
  }

  run(id: number, talk: Talk): void {
    const { method, request, response, status } = talk;
    this.client.start();
    this.client.statuses = [];
    const isStarted = this.clientConnection.request(
      requestHead({ method, fields: fieldsOf(request) }),
      false,
    );
    assert.equal(isStarted, id);
    const sending = steps(this.clientConnection, id, request);
    const head = responseHead(status, status === 204 ? [] : fieldsOf(response));
    const answering = [
      ...Array.from(
        { length: talk.interim },
        () => () => this.serverConnection.response(id, responseHead(103), false),
      ),
      () => this.serverConnection.response(id, head, false),
      ...steps(this.serverConnection, id, response),
    ];
    let turns = 0;
    while (!this.clientConnection.canRequest || this.serverConnection.openStreams > 0) {
      assert.ok(turns++ < 20000, `no progress: ${this.client.calls} / ${this.server.calls}`);
      assert.equal(this.client.isClosed || this.server.isClosed, false);
      this.#turn(id, sending, answering, talk.answersEarly);
    }
    this.#check(talk);
  }

  #turn(id: number, sending: (() => void)[], answering: (() => void)[], answersEarly: boolean): void {
    switch (this.#random(8)) {
      case 0:
        sending.shift()?.();
        break;
      case 1:
        if (this.serverConnection.openStreams > 0 && (answersEarly || this.server.isEnded)) {
          answering.shift()?.();
        }
        break;
      case 2:
        if (this.clientConnection.hasOutput) send(this.clientConnection, this.#up);
        break;
      case 3:
        if (this.serverConnection.hasOutput) send(this.serverConnection, this.#down);
        break;
      case 4:
        if (this.serverConnection.wantsInput && this.#up.length > 0) {
          this.serverConnection.receive(this.#up.take(1 + this.#random(SPLIT_BYTES)), 0);
        }
        break;
      case 5:
        if (this.clientConnection.wantsInput && this.#down.length > 0) {
          this.clientConnection.receive(this.#down.take(1 + this.#random(SPLIT_BYTES)), 0);
        }
        break;
      case 6:
        this.#credit(this.server, this.serverConnection, id);
        break;
      case 7:
        this.#credit(this.client, this.clientConnection, id);
        break;
    }
  }

  #credit(side: Reception, connection: Http1ClientConnection | Http1ServerConnection, id: number): void {
    const bytes = this.#random(side.owed + 1);
    side.owed -= bytes;
    connection.credit(id, bytes);
  }

  #check({ method, request, response, status, interim }: Talk): void {
    const hasContent = method !== "HEAD" && status !== 204 && status !== 304;
    assert.equal(this.server.text, request.pieces.join(""));
    assert.deepEqual(this.server.fields, request.isDeclared ? [] : request.trailers);
    assert.deepEqual(this.client.statuses, [...Array(interim).fill(103), status]);
    assert.equal(this.client.text, hasContent ? response.pieces.join("") : "");
    assert.deepEqual(this.client.fields, hasContent && !response.isDeclared ? response.trailers : []);
    assert.ok(this.server.owedMax < WINDOW_BYTES + SPLIT_BYTES);
    assert.ok(this.client.owedMax < WINDOW_BYTES + SPLIT_BYTES);
  }
}

Deno.test("two connections keep every byte in order through random splits and credit", () => {
  fc.assert(
    fc.property(fc.array(talk, { minLength: 1, maxLength: 4 }), fc.integer(), (talks, seed) => {
      const wire = new Wire(seed);
      let sent = 0;
      for (const [index, each] of talks.entries()) {
        wire.run(index + 1, each);
        sent += lengthOf(each.request);
      }
      assert.equal(wire.client.takenBytes, sent, "each byte given is taken once");
    }),
    { numRuns: 2000 },
  );
});

/** Requests as a pipelining client writes them: all at once. */
function pipelined(contents: readonly Content[]): string {
  let text = "";
  for (const [index, message] of contents.entries()) {
    const client = new Http1ClientConnection(new Recorder());
    client.request(requestHead({ method: "POST", path: `/${index}`, fields: fieldsOf(message) }), false);
    for (const step of steps(client, 1, message)) step();
    text += textOf(client.takeOutput());
  }
  return text;
}

/** A server that echoes each request's content, some turns after it was complete. */
class Echo extends Reception {
  readonly waiting: (() => void)[] = [];
  connection!: Http1ServerConnection;

  override request(streamId: number, head: RequestHead, end: boolean): void {
    assert.equal(this.waiting.length, 0, "a request came before the last was answered");
    super.request(streamId, head, end);
    if (end) this.#answer(streamId);
  }

  override data(streamId: number, bytes: Uint8Array, flowBytes: number, end: boolean): void {
    super.data(streamId, bytes, flowBytes, end);
    this.connection.credit(streamId, flowBytes);
    if (end) this.#answer(streamId);
  }

  override trailers(streamId: number, fields: Fields): void {
    super.trailers(streamId, fields);
    this.#answer(streamId);
  }

  #answer(streamId: number): void {
    const text = this.text;
    this.waiting.push(() => {
      this.connection.response(streamId, responseHead(200, ["content-length", String(text.length)]), false);
      this.connection.data(streamId, bytesOf(text), true);
    });
  }
}

Deno.test("Http1ServerConnection answers pipelined requests in order when they come in any pieces", () => {
  fc.assert(
    fc.property(fc.array(content, { minLength: 1, maxLength: 8 }), fc.integer(), (contents, seed) => {
      const random = numbers(seed);
      const echo = new Echo();
      const connection = new Http1ServerConnection(echo, { maxHeldBytes: 100, maxOutputBytes: 50 });
      echo.connection = connection;
      const wire = new Pipe();
      wire.put(bytesOf(pipelined(contents)));
      let output = "";
      let turns = 0;
      while (wire.length > 0 || connection.openStreams > 0 || connection.hasOutput) {
        assert.ok(turns++ < 20000, `no progress: ${echo.calls}`);
        if (random(2) === 0 && connection.wantsInput) connection.receive(wire.take(1 + random(200)), 0);
        if (random(3) === 0) echo.waiting.shift()?.();
        if (random(3) === 0 && connection.hasOutput) output += textOf(connection.takeOutput());
      }
      const expected = contents.map((message) => {
        const text = message.pieces.join("");
        return `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
      });
      assert.equal(output, expected.join(""));
    }),
    { numRuns: 1000 },
  );
});
