import assert from "node:assert/strict";

import { isRecent } from "./binary.ts";
import { binaryProject, elfArchitecture } from "./compile.ts";

Deno.test("binaryProject() names the packages that the program imports and no other", () => {
  const { imports } = binaryProject(new Set(["npm:commander@15.1.0", "npm:unknown@1.0.0"]));
  assert.deepEqual(imports, { commander: "npm:commander@15.1.0" });
});

Deno.test("isRecent() compares versions by number", () => {
  const table: [string, boolean][] = [
    ["2.9.6", true],
    ["2.10.0", true],
    ["3.0.0", true],
    ["2.9.5", false],
    ["2.7.11", false],
    ["1.99.9", false],
  ];
  for (const [version, expected] of table) assert.equal(isRecent(version), expected, version);
});

Deno.test("elfArchitecture() tells what a program is for", async () => {
  const header = new Uint8Array(20);
  using file = await Deno.open(Deno.execPath());
  await file.read(header);
  assert.equal(elfArchitecture(header), Deno.build.arch);
  const arm = Uint8Array.from(header);
  arm.set([183, 0], 18);
  assert.equal(elfArchitecture(arm), "aarch64");
  assert.equal(elfArchitecture(header.subarray(0, 19)), undefined);
  assert.equal(elfArchitecture(new TextEncoder().encode('#!/bin/sh\nexec deno "$@"\n')), undefined);
});
