import { run } from "./src/cli/run.ts";

// deno-lint-ignore no-top-level-await -- the program's one entry
Deno.exit(await run(Deno.args));
