import assert from "node:assert/strict";
import { REASONS } from "../../src/reasons.ts";
import { TLS_ALERT_DESCRIPTIONS, tlsAlert } from "../../src/wire/tls_alert.ts";

Deno.test("tlsAlert() is a fatal alert in a plaintext record of version 0x0303", () => {
  assert.deepEqual([...tlsAlert(112)], [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 112]);
  assert.deepEqual(tlsAlert("no_application_protocol"), tlsAlert(120));
});

Deno.test("every alert that the proxy writes has a name", () => {
  const named: readonly number[] = Object.values(TLS_ALERT_DESCRIPTIONS);
  for (const meaning of Object.values(REASONS)) {
    if ("alert" in meaning) assert.ok(named.includes(meaning.alert), `alert ${meaning.alert}`);
  }
});
