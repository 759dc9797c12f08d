/**
 * The commands of RUNBOOK.md: its ```sh blocks by heading, and which of them a test has followed.
 *
 * @module
 */

import assert from "node:assert/strict";
import runbook from "../../RUNBOOK.md" with { type: "text" };

/** The whole text. */
export const RUNBOOK: string = runbook;

/** The ```sh blocks under each heading, in their order. */
export const BLOCKS: ReadonlyMap<string, readonly string[]> = blocksOf(runbook);

const followed = new Set<string>();

/** The blocks under each heading of a text, indentation taken off. */
export function blocksOf(markdown: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const section of markdown.split(/^(?=##+ )/m)) {
    const heading = /^##+ (.*)$/m.exec(section)?.[1] ?? "";
    const blocks = [...section.matchAll(/^( *)```sh\n([^]*?)^ *```$/gm)]
      .map(([, indent, text]) => text!.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
    if (blocks.length > 0) found.set(heading, blocks);
  }
  return found;
}

/** A block's text; whoever takes it runs it and looks at what it did. */
export function takeBlock(heading: string, index = 0): string {
  const block = BLOCKS.get(heading)?.[index];
  assert.ok(block !== undefined, `RUNBOOK.md has no block ${index} under "${heading}"`);
  followed.add(`${heading} ${index}`);
  return block;
}

/** Every block that nobody has taken, as heading and index. */
export function untaken(): string[] {
  return [...BLOCKS].flatMap(([heading, blocks]) => blocks.map((_, index) => `${heading} ${index}`))
    .filter((name) => !followed.has(name));
}

/** Counts blocks as taken which this machine can't run. */
export function excuse(...headings: readonly string[]): void {
  for (const heading of headings) {
    for (const index of BLOCKS.get(heading)?.keys() ?? []) followed.add(`${heading} ${index}`);
  }
}
