import assert from "node:assert/strict";
import { clockFindings } from "../../src/cli/clock_findings.ts";
import { clockErrorMs, loadNative } from "../../src/net/native.ts";

loadNative();

Deno.test("clockFindings() says what the kernel says of the clock, and that it says nothing", async () => {
  const now = Date.UTC(2026, 10, 22, 16);
  const told = async (errorMs: number | undefined) => {
    const [{ level, detail } = { level: "", detail: "" }] = await clockFindings([], now, () => errorMs);
    return `${level} ${detail.replace(/^2026-11-22T16:00:00.000Z[,;] /, "").replace(/:.*/, "")}`;
  };
  assert.equal(await told(40), "ok synchronised");
  assert.equal(await told(16_000), "warning not synchronised");
  assert.equal(await told(undefined), "warning the kernel doesn't say whether it is kept right");
});

Deno.test("clockErrorMs() is the kernel's figure, by which systemd judges, too", async () => {
  const errorMs = clockErrorMs();
  assert.ok(errorMs !== undefined && errorMs >= 0 && errorMs <= 16_000, `${errorMs}`);
  const script = "import ctypes, struct; timex = ctypes.create_string_buffer(256); " +
    'assert ctypes.CDLL("libc.so.6").adjtimex(timex) >= 0; print(struct.unpack_from("<q", timex.raw, 24)[0])';
  const { code, stdout } = await new Deno.Command("python3", { args: ["-c", script] }).output();
  if (code !== 0) return;
  // It grows by half a millisecond a second until the next reading of a time service.
  assert.ok(Math.abs(Number(new TextDecoder().decode(stdout)) / 1_000 - errorMs) < 5_000);
});
