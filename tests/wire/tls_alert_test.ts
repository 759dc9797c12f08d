import assert from "node:assert/strict";
import { REASONS } from "../../src/reasons.ts";
import { TLS_ALERT_DESCRIPTIONS, tlsAlert, tlsAlertName } from "../../src/wire/tls_alert.ts";

Deno.test("tlsAlert() is a fatal alert in a plaintext record of version 0x0303", () => {
  assert.deepEqual([...tlsAlert(112)], [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 112]);
  assert.deepEqual(tlsAlert("no_application_protocol"), tlsAlert(120));
});

Deno.test("tlsAlertName() names every alert that the proxy writes", () => {
  for (const meaning of Object.values(REASONS)) {
    if ("alert" in meaning) assert(tlsAlertName(meaning.alert) in TLS_ALERT_DESCRIPTIONS);
  }
  assert.equal(tlsAlertName(112), "unrecognized_name");
  assert.equal(tlsAlertName(50), "decode_error");
  assert.equal(tlsAlertName(80), "internal_error");
  assert.equal(tlsAlertName(255), "alert_255");
});
