import assert from "node:assert/strict";
import fc from "fast-check";
import { outboundResponse, outboundTrailers, passedResetCode } from "../../src/l7/response_rules.ts";
import { isConnectionField } from "../../src/wire/http_fields.ts";
import { ErrorCode } from "../../src/wire/http_handler.ts";
import { lines, responseHead } from "./heads.ts";

const RESPONSES: { name: string; fields: string[]; expected: string[] }[] = [
  {
    name: "what is end to end",
    fields: ["server", "s", "set-cookie", "a=1", "set-cookie", "b=2", "content-length", "5", "trailer", "x"],
    expected: ["server: s", "set-cookie: a=1", "set-cookie: b=2", "content-length: 5", "trailer: x"],
  },
  {
    name: "hop-by-hop fields",
    fields: [
      "connection",
      "keep-alive",
      "keep-alive",
      "timeout=5",
      "upgrade",
      "h2c",
      "proxy-authenticate",
      "Basic",
    ],
    expected: [],
  },
  {
    name: "what connection names, but no framing",
    fields: ["x-a", "1", "connection", "X-A, Content-Length", "content-length", "5", "x-b", "2"],
    expected: ["content-length: 5", "x-b: 2"],
  },
  { name: "alt-svc", fields: ["alt-svc", 'h3=":443"', "a", "b"], expected: ["a: b"] },
  { name: "a switch's fields", fields: ["sec-websocket-accept", "x"], expected: ["sec-websocket-accept: x"] },
];

Deno.test("outboundResponse() passes and drops fields by the rules", async (t) => {
  for (const { name, fields, expected } of RESPONSES) {
    await t.step(name, () => {
      const head = outboundResponse(responseHead(200, Object.freeze(fields)));
      assert.deepEqual(lines(head.fields), expected);
      assert.equal(head.status, 200);
    });
  }
});

Deno.test("outboundResponse() gives back the head itself when nothing has to go", () => {
  const head = responseHead(103, ["link", "</a>"]);
  assert.equal(outboundResponse(head), head);
});

Deno.test("outboundResponse() keeps status and never-indexed names of a head that it changes", () => {
  const neverIndexed = new Set(["set-cookie"]);
  const head = { status: 304, fields: ["alt-svc", "x", "etag", "e"], neverIndexed };
  assert.deepEqual(outboundResponse(head), { status: 304, fields: ["etag", "e"], neverIndexed });
});

const TRAILERS: { name: string; fields: string[]; expected: string[] }[] = [
  {
    name: "gRPC's",
    fields: ["grpc-status", "0", "grpc-message", "", "x-sum", "1"],
    expected: ["grpc-status: 0", "grpc-message: ", "x-sum: 1"],
  },
  {
    name: "forwarding fields",
    fields: [
      "x-forwarded-for",
      "1",
      "x-real-ip",
      "1",
      "forwarded",
      "1",
      "x_forwarded_for",
      "1",
      "x-request-id",
      "1",
    ],
    expected: [],
  },
  {
    name: "what may not be a trailer",
    fields: ["content-length", "5", "host", "a", "authorization", "b", "set-cookie", "c", "te", "trailers"],
    expected: [],
  },
  {
    name: "what leads around the proxy",
    fields: ["alt-svc", "x", "proxy", "y", "a", "b"],
    expected: ["a: b"],
  },
];

Deno.test("outboundTrailers() passes and drops fields by the rules", async (t) => {
  for (const { name, fields, expected } of TRAILERS) {
    await t.step(name, () => assert.deepEqual(lines(outboundTrailers(Object.freeze(fields))), expected));
  }
});

const NAMES = fc.oneof(
  fc.constantFrom(
    "connection",
    "te",
    "upgrade",
    "alt-svc",
    "keep-alive",
    "content-length",
    "x-real-ip",
    "a",
    "b",
  ),
  fc.stringMatching(/^[!#$%&'*+.^_`|~0-9a-z-]{1,12}$/),
);
const FIELD_LISTS = fc.array(fc.tuple(NAMES, fc.constantFrom("a", "B, te", "close", "content-length", "5")))
  .map((pairs) => pairs.flat());

Deno.test("outboundResponse() and outboundTrailers() let nothing forbidden out and are idempotent", () => {
  fc.assert(fc.property(FIELD_LISTS, (fields) => {
    const head = outboundResponse(responseHead(200, fields));
    const trailers = outboundTrailers(fields);
    for (const passed of [head.fields, trailers]) {
      const names = passed.filter((_, index) => index % 2 === 0);
      assert.ok(!names.some((name) => isConnectionField(name) || name === "te" || name === "alt-svc"));
    }
    assert.equal(outboundResponse(head), head);
    assert.equal(outboundTrailers(trailers), trailers);
  }));
});

const CODES: readonly number[] = [
  ErrorCode.NO_ERROR,
  ErrorCode.CANCEL,
  ErrorCode.REFUSED_STREAM,
  ErrorCode.INTERNAL_ERROR,
  ErrorCode.ENHANCE_YOUR_CALM,
];

Deno.test("passedResetCode() passes five codes and makes INTERNAL_ERROR of the others", () => {
  for (const code of [...Object.values(ErrorCode), 0xff, 0xffffffff]) {
    assert.equal(passedResetCode(code), CODES.includes(code) ? code : ErrorCode.INTERNAL_ERROR, `${code}`);
  }
});
