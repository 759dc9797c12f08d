import assert from "node:assert/strict";
import { programCommand, PROJECT_FOLDER, sourceArguments } from "./program_command.ts";

Deno.test("programCommand() runs main.ts with the task's flags, or the binary as it is", () => {
  const { path, args } = programCommand("");
  assert.equal(path, Deno.execPath());
  assert.equal(args[0], "run");
  assert.equal(args.at(-1), `${PROJECT_FOLDER}main.ts`);
  assert.ok(args.includes("--no-prompt"));
  assert.deepEqual(programCommand("/usr/bin/mc-proxy"), { path: "/usr/bin/mc-proxy", args: [] });
});

const REFUSED = [
  "deno task x",
  "node main.ts",
  "deno run --allow-net other.ts",
  "deno run 'a b' main.ts",
  "deno run x && deno run main.ts",
];

Deno.test("sourceArguments() refuses what it would have to interpret", async (t) => {
  for (const command of REFUSED) {
    await t.step(command, () => assert.throws(() => sourceArguments(command), TypeError));
  }
});
