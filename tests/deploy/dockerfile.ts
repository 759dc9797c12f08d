/**
 * What a Dockerfile says: its instructions by stage. Of the format as far as deploy/Dockerfile uses it: one instruction a
 * line, comments, no here-documents.
 *
 * @module
 */

/** One instruction, such as `COPY` with `--from=build /a /b`. */
export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** The stages in their order, each beginning with its FROM. Throws on a line that isn't understood. */
export function stagesOf(dockerfile: string): Instruction[][] {
  const stages: Instruction[][] = [];
  for (const line of dockerfile.split("\n")) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, name, text] = /^([A-Z]+) (.*[^\\])$/.exec(line) ?? [];
    if (name === undefined || text === undefined) throw new TypeError(`not understood: ${line}`);
    if (name === "FROM") stages.push([]);
    stages.at(-1)!.push({ name, text });
  }
  return stages;
}

/** The words of an instruction in JSON's form, `["a", "b"]`. */
export function wordsOf(text: string): string[] {
  return JSON.parse(text.slice(text.indexOf("[")));
}
