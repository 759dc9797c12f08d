import assert from "node:assert/strict";
import { ignoreUserSignals } from "../../src/net/user_signals.ts";
import { CHILD, STILL_HERE } from "./user_signals_child.ts";

// Once is enough, and what it leaves behind in a process is no test's leak.
for (let time = 0; time < 2; time++) ignoreUserSignals();

Deno.test("ignoreUserSignals() keeps the runtime from ending and from opening its debugger", async () => {
  const args = ["run", "-A", "--quiet", "--no-check", CHILD];
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
  const text = new TextDecoder();
  assert.equal(text.decode(stdout) + text.decode(stderr), STILL_HERE);
});
