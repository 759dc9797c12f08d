import assert from "node:assert/strict";
import fc from "fast-check";
import {
  allowedTrailers,
  contentLengthOf,
  fieldValue,
  isConnectionField,
  isFieldName,
  isFieldValue,
  isForbiddenTrailer,
  isOriginPath,
  isTeTrailers,
  isToken,
  joinCookies,
  parseAuthority,
  parseContentLength,
  parseTarget,
  sameAuthority,
} from "../../src/wire/http_fields.ts";

function check<Input, Output>(call: (input: Input) => Output, rows: [Input, Output][]) {
  for (const [input, expected] of rows) {
    assert.deepEqual(call(input), expected, `${call.name}(${JSON.stringify(input)})`);
  }
}

Deno.test("isToken() and isFieldName() take tchar only, the second no upper case", () => {
  check(isToken, [["GET", true], ["a!#$%&'*+.^_`|~-9Z", true], ["", false], ["a b", false], ["a:b", false]]);
  check(isToken, [["a\0", false], ["é", false], ["a\u0141", false], ["(", false], ["a\r", false]]);
  check(isFieldName, [["x-a_b", true], ["X-a", false], ["", false], [":path", false], ["a ", false]]);
});

Deno.test("isFieldValue() refuses control characters and blanks at the ends", () => {
  check(isFieldValue, [["", true], ["a b\tc", true], ["\x80\xff", true], [" a", false], ["a ", false]]);
  check(isFieldValue, [["\ta", false], ["a\t", false], [" ", false], ["a\0b", false], ["a\rb", false]]);
  check(isFieldValue, [["a\nb", false], ["a\x7f", false], ["a\x1bb", false], ["a\u010ab", false]]);
});

Deno.test("isFieldValue() agrees with the grammar for every byte in the middle", () => {
  for (let code = 0; code < 256; code++) {
    const expected = code === 9 || (code >= 32 && code !== 127);
    assert.equal(isFieldValue(`a${String.fromCharCode(code)}b`), expected, `byte ${code}`);
  }
});

Deno.test("isConnectionField() knows the five names of RFC 9113 §8.2.2", () => {
  for (const name of ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]) {
    assert.equal(isConnectionField(name), true, name);
    assert.equal(isForbiddenTrailer(name), true, name);
  }
  check(isConnectionField, [["te", false], ["host", false], ["cookie", false]]);
});

Deno.test("isTeTrailers() takes trailers in any case and nothing else", () => {
  check(isTeTrailers, [["trailers", true], ["Trailers", true], ["trailers, gzip", false], ["", false]]);
});

Deno.test("allowedTrailers() drops what may not be a trailer and keeps the rest in order", () => {
  check(allowedTrailers, [
    [["grpc-status", "0"], ["grpc-status", "0"]],
    [["a", "1", "content-length", "5", "b", "2", "host", "x"], ["a", "1", "b", "2"]],
    [["transfer-encoding", "chunked"], []],
    [[], []],
  ]);
});

Deno.test("parseContentLength() takes plain digits up to 2^53-1", () => {
  check(parseContentLength, [["0", 0], ["42", 42], ["007", 7], ["9007199254740991", 9007199254740991]]);
  check(parseContentLength, [["", -1], ["+1", -1], ["-1", -1], ["1,1", -1], ["0x1", -1], ["1 ", -1], [
    "1e3",
    -1,
  ]]);
  check(parseContentLength, [["9007199254740992", -1], ["99999999999999999999", -1], ["٣", -1]]);
});

Deno.test("contentLengthOf() refuses a second length even when it is the same", () => {
  check(contentLengthOf, [
    [[], undefined],
    [["content-length", "5"], 5],
    [["content-length", "5", "content-length", "5"], "invalid"],
    [["content-length", "5", "content-length", "6"], "invalid"],
    [["content-length", "x"], "invalid"],
  ]);
});

Deno.test("fieldValue() gives the first of that name", () => {
  assert.equal(fieldValue(["a", "b", "b", "c", "b", "d"], "b"), "c");
  assert.equal(fieldValue(["a", "b"], "c"), undefined);
});

Deno.test("joinCookies() joins crumbs in the place of the first", () => {
  check(joinCookies, [
    [["a", "1"], ["a", "1"]],
    [["cookie", "x=1", "a", "1"], ["cookie", "x=1", "a", "1"]],
    [["b", "2", "cookie", "x=1", "a", "1", "cookie", "y=2", "cookie", "z=3"], [
      "b",
      "2",
      "cookie",
      "x=1; y=2; z=3",
      "a",
      "1",
    ]],
  ]);
});

Deno.test("parseAuthority() canonicalises the host and refuses everything but host and port", () => {
  check(parseAuthority, [
    ["example.org", { host: "example.org" }],
    ["EXAMPLE.org.", { host: "example.org" }],
    ["example.org:8443", { host: "example.org", port: 8443 }],
    ["example.org.:443", { host: "example.org", port: 443 }],
    ["192.0.2.1:1", { host: "192.0.2.1", port: 1 }],
    ["[2001:DB8::1]:443", { host: "[2001:db8::1]", port: 443 }],
    ["[::ffff:192.0.2.1]", { host: "[::ffff:192.0.2.1]" }],
    ["a_b.test", { host: "a_b.test" }],
  ]);
  const refused = [
    "",
    ".",
    ":443",
    "a:",
    "a:65536",
    "a:123456",
    "a:-1",
    "a:1x",
    "u@a",
    "a/b",
    "a b",
    "a\0",
    "é",
  ];
  for (
    const text of [
      ...refused,
      "[::1",
      "[::1]x",
      "[]",
      "[fe80::1%eth0]",
      "[abc]",
      "a,b",
      "a%41",
      "a:1:2",
      "::1",
    ]
  ) {
    assert.equal(parseAuthority(text), undefined, JSON.stringify(text));
  }
});

Deno.test("sameAuthority() compares hosts without case and ports with the scheme's default", () => {
  const rows: [string, string, string, boolean][] = [
    ["a.test", "A.test", "https", true],
    ["a.test", "a.test.", "https", true],
    ["a.test", "a.test:443", "https", true],
    ["a.test", "a.test:80", "https", false],
    ["a.test", "a.test:80", "http", true],
    ["a.test", "a.test:443", "", false],
    ["a.test:8443", "a.test:8443", "", true],
    ["a.test", "b.test", "https", false],
    ["a b", "a b", "https", false],
    ["a.test", "", "https", false],
  ];
  for (const [left, right, scheme, expected] of rows) {
    assert.equal(sameAuthority(left, right, scheme), expected, `${left} ${right} ${scheme}`);
    assert.equal(sameAuthority(right, left, scheme), expected, `${right} ${left} ${scheme}`);
  }
});

Deno.test("isOriginPath() wants a slash and visible ASCII without #", () => {
  check(isOriginPath, [["/", true], ["/a?b=c&d=%20", true], ['/a|b"{}\\', true], ["", false], ["a", false]]);
  check(isOriginPath, [["*", false], ["/a b", false], ["/a\t", false], ["/a#b", false], ["/é", false]]);
  check(isOriginPath, [["/a\r\n", false], ["/\0", false], ["/\x7f", false], ["?a", false]]);
});

Deno.test("parseTarget() knows the four forms and which method may use each", () => {
  const absolute = (scheme: string, authority: string, path: string) => ({
    form: "absolute" as const,
    scheme,
    authority,
    path,
  });
  const rows: [string, string, ReturnType<typeof parseTarget>][] = [
    ["GET", "/a?b", { form: "origin", path: "/a?b" }],
    ["GET", "//a", { form: "origin", path: "//a" }],
    ["OPTIONS", "*", { form: "asterisk", path: "*" }],
    ["GET", "*", undefined],
    ["GET", "http://a.test/x", absolute("http", "a.test", "/x")],
    ["GET", "HTTPS://a.test:1?q", absolute("https", "a.test:1", "/?q")],
    ["GET", "http://a.test", absolute("http", "a.test", "/")],
    ["OPTIONS", "http://a.test", absolute("http", "a.test", "*")],
    ["GET", "http://u@a.test/", undefined],
    ["GET", "http:///", undefined],
    ["GET", "ftp://a.test/", undefined],
    ["GET", "http://a.test/ x", undefined],
    ["GET", "http://a.test/#x", undefined],
    ["GET", "a.test:443", undefined],
    ["GET", "", undefined],
    ["CONNECT", "a.test:443", { form: "authority", authority: "a.test:443" }],
    ["CONNECT", "a.test", undefined],
    ["CONNECT", "/", undefined],
    ["CONNECT", "*", undefined],
  ];
  for (const [method, target, expected] of rows) {
    assert.deepEqual(parseTarget(method, target), expected, `${method} ${target}`);
  }
});

Deno.test("no function of http_fields throws or hangs on any text", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
    for (const call of [isToken, isFieldName, isFieldValue, isOriginPath, isTeTrailers]) {
      assert.equal(typeof call(text), "boolean");
    }
    parseAuthority(text);
    parseContentLength(text);
    parseTarget("GET", text);
    parseTarget("CONNECT", text);
    assert.equal(isFieldValue(text), /^(?![ \t])[\t\x20-\x7e\x80-\xff]*(?<![ \t])$/.test(text));
  }));
});
