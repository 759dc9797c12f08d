/**
 * `deno task doc:lint`: every export of the program has a doc comment. Of Deno's findings one kind is left out, in
 * `src/admin/` and its commands alone: types of the generated code and of npm packages, which it calls private because they stand in
 * no file that it was given.
 *
 * @module
 */

import { print } from "../support/print.ts";

// deno-lint-ignore no-control-regex -- colours are written as control characters
const COLOUR = /\x1b\[[0-9;]*m/g;

/** The findings that count, each with its place, out of what `deno doc --lint` writes. */
export function findings(output: string): string[] {
  const blocks = output.replaceAll(COLOUR, "").split(/\n(?=error\[)/);
  return blocks.filter((block) => /^error\[/.test(block.trimStart()) && !isForeignType(block))
    .map((block) => block.trim());
}

function isForeignType(block: string): boolean {
  return block.includes("error[private-type-ref]") && /--> \S*\/src\/(admin\/|cli\/admin_)/.test(block);
}

async function main(): Promise<number> {
  const files: string[] = [];
  const visit = (folder: string): void => {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      if (isDirectory && `${folder}/${name}` !== "src/admin/gen") visit(`${folder}/${name}`);
      else if (name.endsWith(".ts")) files.push(`${folder}/${name}`);
    }
  };
  visit("src");
  const args = ["doc", "--quiet", "--lint", ...files];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, stdout: "null" }).output();
  const output = new TextDecoder().decode(stderr);
  const found = findings(output);
  for (const finding of found) print(`${finding}\n`);
  // What fails without a finding of its own, a syntax error for one, must not pass.
  if (!success && !output.includes("error[")) print(output);
  return found.length > 0 || (!success && !output.includes("error[")) ? 1 : 0;
}

if (import.meta.main) main().then((code) => Deno.exit(code));
