import assert from "node:assert/strict";
import { ErrorCode, NEVER_INDEXED_NONE } from "../../src/wire/http_handler.ts";

Deno.test("ErrorCode numbers the codes as RFC 9113 §7 lists them", () => {
  const names = "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED " +
    "FRAME_SIZE_ERROR REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM " +
    "INADEQUATE_SECURITY HTTP_1_1_REQUIRED";
  assert.deepEqual(Object.entries(ErrorCode), names.split(" ").map((name, code) => [name, code]));
});

Deno.test("NEVER_INDEXED_NONE names no field", () => {
  assert.equal(NEVER_INDEXED_NONE.size, 0);
});
