import assert from "node:assert/strict";
import project from "../../deno.json" with { type: "json" };
import { BUILD, programCommand } from "../../src/control/program.ts";

const SECRETS = ["NOTIFY_SOCKET", "MC_PROXY_SECRET", "OTEL_EXPORTER_OTLP_HEADERS"];

Deno.test("BUILD names the program's version and the runtime's", () => {
  assert.equal(BUILD, `${project.version}+deno.${Deno.version.deno}`);
});

Deno.test("programCommand() is this Deno with the task's own flags, the entry and the arguments", () => {
  const { path, args } = programCommand(["worker", "--flag"]);
  assert.equal(path, Deno.execPath());
  const [deno, ...flags] = project.tasks["mc-proxy"].command.split(" ");
  assert.equal(deno, "deno");
  assert.equal(flags.pop(), "main.ts");
  assert.deepEqual(args, [...flags, "--quiet", Deno.mainModule, "worker", "--flag"]);
  assert.ok(args.includes("--no-prompt"));
});

Deno.test("programCommand() lets a child see what it needs of the environment and no secret", () => {
  const before = Deno.env.toObject();
  try {
    for (const name of SECRETS) Deno.env.set(name, "secret");
    Deno.env.set("LANG", "C.UTF-8");
    Deno.env.delete("TZ");
    const { env } = programCommand([]);
    assert.equal(env["LANG"], "C.UTF-8");
    assert.equal(env["PATH"], before["PATH"]);
    assert.ok(!Object.values(env).includes("secret"));
    assert.equal("TZ" in env, false, "absent, not empty");
  } finally {
    for (const name of SECRETS) Deno.env.delete(name);
    for (const name of ["LANG", "TZ"]) if (before[name] !== undefined) Deno.env.set(name, before[name]);
    if (before["LANG"] === undefined) Deno.env.delete("LANG");
  }
});
