import assert from "node:assert/strict";
import { tlsAlert } from "../../src/wire/tls_alert.ts";

Deno.test("tlsAlert() is a fatal alert in a plaintext record of version 0x0303", () => {
  assert.deepEqual([...tlsAlert(112)], [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 112]);
});
