import assert from "node:assert/strict";
import { ERROR_ROWS, errorResponse } from "../../src/l7/error_rules.ts";
import { fieldValue, isFieldValue } from "../../src/wire/http_fields.ts";

const GRPC_STATUS: Readonly<Record<number, string>> = {
  400: "13",
  405: "12",
  408: "4",
  413: "8",
  421: "14",
  431: "8",
  501: "12",
  502: "14",
  503: "14",
  504: "14",
};

Deno.test("errorResponse() answers each status with a line of text or a gRPC status", async (t) => {
  assert.deepEqual(Object.keys(ERROR_ROWS), Object.keys(GRPC_STATUS));
  for (const [key, grpcStatus] of Object.entries(GRPC_STATUS)) {
    await t.step(key, () => {
      const status = Number(key);
      const plain = errorResponse(status, false);
      assert.equal(plain.head.status, status);
      assert.equal(fieldValue(plain.head.fields, "content-length"), String(plain.content.length));
      assert.match(
        new TextDecoder().decode(plain.content),
        new RegExp(`^${status} [A-Z][\\w ]+: [\\w ]+\n$`),
      );
      const { head, content } = errorResponse(status, true);
      assert.equal(head.status, 200);
      assert.equal(fieldValue(head.fields, "grpc-status"), grpcStatus);
      assert.equal(fieldValue(head.fields, "content-type"), "application/grpc");
      assert.match(fieldValue(head.fields, "grpc-message") ?? "", /^[ -$&-~]+$/);
      assert.equal(content.length, 0);
      for (const part of [...head.fields, ...plain.head.fields]) assert.ok(isFieldValue(part), part);
    });
  }
});

Deno.test("errorResponse() names the methods with 405", () => {
  const allow = fieldValue(errorResponse(405, false).head.fields, "allow")?.split(", ") ?? [];
  assert.ok(allow.includes("GET") && !allow.includes("CONNECT"));
});

Deno.test("errorResponse() answers 502 for a status that it doesn't know", () => {
  assert.equal(errorResponse(599, false), errorResponse(502, false));
});
