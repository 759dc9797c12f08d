import assert from "node:assert/strict";
import fc from "fast-check";
import {
  isGrpcRequest,
  isIdempotent,
  outboundRequest,
  REQUEST_RULES,
  requestIdOf,
  routeNameOf,
} from "../../src/l7/request_rules.ts";
import { isConnectionField } from "../../src/wire/http_fields.ts";
import type { RequestHead } from "../../src/wire/http_handler.ts";
import { FACTS, FORWARDING_NAMES, lines, OUR_ID, readHead, requestHead, valuesOf } from "./heads.ts";

/** What the proxy says of every request in {@linkcode FACTS}. */
const OURS = [
  "x-forwarded-for: 192.0.2.1",
  "x-real-ip: 192.0.2.1",
  "x-forwarded-proto: https",
  "x-forwarded-host: app.test",
  "x-forwarded-port: 443",
];
const OURS_WITH_ID = [...OURS, `x-request-id: ${OUR_ID}`];

function outbound(head: RequestHead): RequestHead {
  const built = outboundRequest(head, FACTS, OUR_ID);
  assert.ok(typeof built !== "number", `refused with ${built}`);
  return built;
}

const FIELDS: { name: string; fields: string[]; expected: string[] }[] = [
  { name: "nothing", fields: [], expected: OURS_WITH_ID },
  {
    name: "what is end to end, in order and with its repetitions",
    fields: ["accept", "a", "cookie", "b=1", "accept", "c", "cookie", "d=2", "x-api_key", "k"],
    expected: ["accept: a", "cookie: b=1", "accept: c", "cookie: d=2", "x-api_key: k", ...OURS_WITH_ID],
  },
  {
    name: "content-length and expect",
    fields: ["content-length", "5", "expect", "100-continue", "trailer", "x-sum"],
    expected: ["content-length: 5", "expect: 100-continue", "trailer: x-sum", ...OURS_WITH_ID],
  },
  {
    name: "traceparent and tracestate",
    fields: ["traceparent", "00-4bf9-00f0-01", "tracestate", "a=b"],
    expected: ["traceparent: 00-4bf9-00f0-01", "tracestate: a=b", ...OURS_WITH_ID],
  },
  {
    name: "hop-by-hop fields",
    fields: ["connection", "close", "keep-alive", "timeout=5", "proxy-connection", "x", "upgrade", "h2c"]
      .concat(
        ["http2-settings", "AAMA", "proxy-authorization", "Basic eA==", "transfer-encoding", "chunked"],
      ),
    expected: OURS_WITH_ID,
  },
  {
    name: "what connection names, in any case, before or after it",
    fields: [
      "x-a",
      "1",
      "connection",
      "X-A , close,,x-B",
      "x-b",
      "2",
      "connection",
      "x-c",
      "x-c",
      "3",
      "x-d",
      "4",
    ],
    expected: ["x-d: 4", ...OURS_WITH_ID],
  },
  {
    name: "framing although connection names it",
    fields: ["connection", "content-length, host, transfer-encoding", "content-length", "5"],
    expected: ["content-length: 5", ...OURS_WITH_ID],
  },
  {
    name: "our forwarding fields although connection names them",
    fields: ["connection", "x-forwarded-for, X-Real-IP, x-request-id, te", "x-forwarded-for", "1.1.1.1"],
    expected: OURS_WITH_ID,
  },
  {
    name: "forwarding fields of the client, repeated ones too",
    fields: [
      ...[
        "x-forwarded-for",
        "1.1.1.1",
        "x-forwarded-for",
        "2.2.2.2",
        "forwarded",
        "for=1.1.1.1",
        "x-real-ip",
        "1",
      ],
      ...[
        "x-forwarded-proto",
        "http",
        "x-forwarded-host",
        "evil",
        "x-forwarded-port",
        "1",
        "x-forwarded",
        "1",
      ],
      ...["x-forwarded-prefix", "/a", "x-forwarded-ssl", "on", "x-forwarded-client-cert", "Hash=1"],
    ],
    expected: OURS_WITH_ID,
  },
  {
    name: "look-alikes",
    fields: [
      ...["x_forwarded_for", "1", "x-forwarded_for", "1", "x_real_ip", "1", "x.forwarded.host", "1"],
      ...["x~real-ip", "1", "content_length", "1", "transfer_encoding", "chunked", "x_request_id", "1"],
      ...["proxy_connection", "1", "x_forwarded", "1"],
    ],
    expected: OURS_WITH_ID,
  },
  { name: "proxy", fields: ["proxy", "http://evil.test"], expected: OURS_WITH_ID },
  { name: "te: trailers", fields: ["te", "trailers"], expected: ["te: trailers", ...OURS_WITH_ID] },
  {
    name: "te: trailers once, out of a list",
    fields: ["connection", "te", "te", "gzip;q=0.5, Trailers", "te", "trailers"],
    expected: ["te: trailers", ...OURS_WITH_ID],
  },
  { name: "another te", fields: ["te", "gzip"], expected: OURS_WITH_ID },
  {
    name: "a sane request id",
    fields: ["x-request-id", "Abc-1/2:3=", "a", "b"],
    expected: ["a: b", ...OURS, "x-request-id: Abc-1/2:3="],
  },
  { name: "two request ids", fields: ["x-request-id", "a", "x-request-id", "a"], expected: OURS_WITH_ID },
  { name: "an empty request id", fields: ["x-request-id", ""], expected: OURS_WITH_ID },
  { name: "a long request id", fields: ["x-request-id", "a".repeat(129)], expected: OURS_WITH_ID },
  { name: "a request id with a blank", fields: ["x-request-id", "a b"], expected: OURS_WITH_ID },
  { name: "a request id with a quote", fields: ["x-request-id", 'a"'], expected: OURS_WITH_ID },
];

Deno.test("outboundRequest() passes and drops fields by the rules", async (t) => {
  for (const { name, fields, expected } of FIELDS) {
    await t.step(name, () => {
      const inbound = Object.freeze([...fields]);
      const built = outbound(requestHead({ fields: inbound }));
      assert.deepEqual(lines(built.fields), expected);
      assert.equal(requestIdOf(built), valuesOf(built.fields, "x-request-id")[0]);
    });
  }
});

const HEADS: { name: string; head: Partial<RequestHead>; expected: number | Partial<RequestHead> }[] = [
  { name: "CONNECT", head: { method: "CONNECT", scheme: "", path: "", authority: "a:1" }, expected: 405 },
  {
    name: "extended CONNECT for WebSocket",
    head: { method: "CONNECT", protocol: "websocket" },
    expected: { method: "CONNECT", protocol: "websocket", path: "/" },
  },
  {
    name: "extended CONNECT for another protocol",
    head: { method: "CONNECT", protocol: "connect-udp" },
    expected: 501,
  },
  { name: "an upgrade to h2c", head: { protocol: "h2c" }, expected: 501 },
  { name: "scheme http", head: { scheme: "http" }, expected: 400 },
  { name: "scheme HTTPS", head: { scheme: "HTTPS" }, expected: 400 },
  { name: "another scheme", head: { scheme: "ftp" }, expected: 400 },
  { name: "no scheme, as in HTTP/1.1", head: { scheme: "" }, expected: { scheme: "http" } },
  { name: "OPTIONS *", head: { method: "OPTIONS", path: "*" }, expected: { path: "*", method: "OPTIONS" } },
  { name: "GET *", head: { path: "*" }, expected: 400 },
  { name: "an absolute path", head: { path: "https://other.test/" }, expected: 400 },
  { name: "a path with a blank", head: { path: "/a b" }, expected: 400 },
  { name: "no path", head: { path: "" }, expected: 400 },
  {
    name: "a path that could be normalised",
    head: { path: "/a/../b//c;d?e=%2f&f=%zz" },
    expected: { path: "/a/../b//c;d?e=%2f&f=%zz" },
  },
  {
    name: "an authority with port",
    head: { authority: "App.test:8443" },
    expected: { authority: "App.test:8443" },
  },
  { name: "an unknown method", head: { method: "PuRGE" }, expected: { method: "PuRGE" } },
];

Deno.test("outboundRequest() refuses a head or passes its control data unchanged", async (t) => {
  for (const { name, head, expected } of HEADS) {
    await t.step(name, () => {
      const built = outboundRequest(requestHead(head), FACTS, OUR_ID);
      if (typeof expected === "number") return assert.equal(built, expected);
      assert.ok(typeof built !== "number", `refused with ${built}`);
      for (const [key, value] of Object.entries(expected)) assert.equal(Reflect.get(built, key), value, key);
      assert.equal(Object.hasOwn(built, "protocol"), head.protocol !== undefined);
    });
  }
});

Deno.test("outboundRequest() sets the backend's scheme and says what the facts say", () => {
  const facts = { ...FACTS, client: "2001:db8::1", port: 8443, backendScheme: "https" } as const;
  const neverIndexed = new Set(["authorization"]);
  const head = requestHead({ authority: "app.test:8443", fields: ["authorization", "x"], neverIndexed });
  assert.deepEqual(outboundRequest(head, facts, OUR_ID), {
    ...head,
    fields: [
      ...["authorization", "x", "x-forwarded-for", "2001:db8::1", "x-real-ip", "2001:db8::1"],
      ...["x-forwarded-proto", "https", "x-forwarded-host", "app.test:8443", "x-forwarded-port", "8443"],
      ...["x-request-id", OUR_ID],
    ],
  });
});

/** Requests as a client of HTTP/1.1 writes them: the codec is the real one. */
const SPOOFS: { name: string; text: string[] }[] = [
  {
    name: "in mixed case",
    text: ["X-FORWARDED-FOR: 1.1.1.1", "x-ReAl-Ip: 1.1.1.1", "FORWARDED: for=1.1.1.1"],
  },
  {
    name: "twice",
    text: ["X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2.2.2.2", "X-Real-IP: 1", "X-Real-IP: 2"],
  },
  {
    name: "with underscores",
    text: ["X_Forwarded_For: 1.1.1.1", "X-Forwarded_Proto: http", "X_REAL_IP: 1.1.1.1"],
  },
  {
    name: "and wants ours removed",
    text: ["Connection: X-Forwarded-For, x-real-ip", "X-Forwarded-For: 1.1.1.1"],
  },
  { name: "and hides the naming", text: ["Connection: close", "CONNECTION:\t x-Real-IP ,X-FORWARDED-PROTO"] },
  { name: "httpoxy", text: ["Proxy: http://1.1.1.1/", "PROXY: http://2.2.2.2/"] },
];

Deno.test("outboundRequest() gives the backend our word alone when a client spoofs", async (t) => {
  for (const { name, text } of SPOOFS) {
    await t.step(name, () => {
      const head = readHead(["GET / HTTP/1.1", "Host: app.test", ...text, "", ""].join("\r\n"));
      assert.ok(head !== undefined);
      assert.deepEqual(lines(outbound(head).fields), OURS_WITH_ID);
    });
  }
});

const NAMES = fc.oneof(
  fc.constantFrom(...FORWARDING_NAMES, "forwarded", "proxy", "connection", "te", "upgrade", "keep-alive"),
  fc.constantFrom(
    "x_forwarded_for",
    "x-forwarded-server",
    "x-request-id",
    "content-length",
    "cookie",
    "a",
    "b",
  ),
  fc.stringMatching(/^[!#$%&'*+.^_`|~0-9a-z-]{1,12}$/),
);
const VALUES = fc.oneof(
  fc.constantFrom("x-forwarded-for", "X-Real-IP, a", "content-length, B", "trailers", "te, trailers", "5"),
  fc.stringMatching(/^[!-~]{0,12}$/),
);
const FIELD_LISTS = fc.array(fc.tuple(NAMES, VALUES), { maxLength: 20 }).map((pairs) => pairs.flat());

Deno.test("outboundRequest() lets no forbidden field out, whatever comes in", () => {
  fc.assert(fc.property(FIELD_LISTS, (fields) => {
    const { fields: built } = outbound(requestHead({ fields }));
    for (const name of FORWARDING_NAMES) assert.equal(valuesOf(built, name).length, 1, name);
    assert.equal(valuesOf(built, "x-request-id").length, 1);
    assert.deepEqual(valuesOf(built, "x-forwarded-for"), [FACTS.client]);
    for (let index = 0; index < built.length; index += 2) {
      const name = built[index]!;
      const meant = name.replace(/[^a-z0-9]/g, "-");
      assert.ok(!isConnectionField(meant) && meant !== "proxy" && meant !== "forwarded", name);
      if (name === "te") assert.equal(built[index + 1], "trailers");
      if (meant.startsWith("x-forwarded") || meant === "x-real-ip") {
        assert.ok(FORWARDING_NAMES.includes(name), name);
      }
    }
  }));
});

Deno.test("outboundRequest() changes nothing more when asked a second time", () => {
  fc.assert(fc.property(FIELD_LISTS, (fields) => {
    const once = outbound(requestHead({ fields }));
    const twice = outbound({ ...once, scheme: "https" });
    assert.deepEqual(lines(twice.fields).toSorted(), lines(once.fields).toSorted());
  }));
});

Deno.test("outboundRequest() keeps all that no rule names, in its order", () => {
  const names = fc.stringMatching(/^[a-z]{1,3}$/).filter((name) => name !== "te");
  fc.assert(fc.property(fc.array(fc.tuple(names, VALUES)), (pairs) => {
    const fields = pairs.flat();
    assert.deepEqual(outbound(requestHead({ fields })).fields.slice(0, fields.length), fields);
  }));
});

Deno.test("REQUEST_RULES removes the client's word before it sets ours", () => {
  const names = REQUEST_RULES.map((rule) => rule.name);
  assert.deepEqual(names.slice(-4), ["passEndToEnd", "passTeTrailers", "setForwarding", "setRequestId"]);
});

const GRPC: [contentType: string | undefined, expected: boolean][] = [
  ["application/grpc", true],
  ["application/grpc+proto", true],
  ["Application/gRPC;charset=utf-8", true],
  ["application/grpc-web", false],
  ["application/grpc-web+proto", false],
  ["application/grp", false],
  ["application/json", false],
  [undefined, false],
];

Deno.test("isGrpcRequest() tells gRPC by its content type", () => {
  for (const [type, expected] of GRPC) {
    const fields = type === undefined ? [] : ["content-type", type];
    assert.equal(isGrpcRequest(requestHead({ fields })), expected, type ?? "none");
  }
});

const AUTHORITIES: [authority: string, expected: string | undefined][] = [
  ["app.test", "app.test"],
  ["APP.test.:8443", "app.test"],
  ["192.0.2.1:443", undefined],
  ["[2001:db8::1]:443", undefined],
  ["user@app.test", undefined],
];

Deno.test("routeNameOf() gives the canonical name without port", () => {
  for (const [authority, expected] of AUTHORITIES) assert.equal(routeNameOf(authority), expected, authority);
});

Deno.test("isIdempotent() knows the methods that may be repeated", () => {
  for (const method of ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]) assert.ok(isIdempotent(method));
  for (const method of ["POST", "PATCH", "CONNECT", "get", ""]) assert.ok(!isIdempotent(method), method);
});
