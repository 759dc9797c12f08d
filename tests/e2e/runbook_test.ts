/**
 * Goal: the commands of RUNBOOK.md do what it says, in the order in which an operator needs them, and there is none that
 * nobody has tried.
 * Method: its ```sh blocks are run by bash as they stand, after the card's settings, against the real program under the
 * name `mc-proxy`; each step asserts the effect that the text promises. `systemctl.sh` stands in for systemctl, and a
 * file for the journal: no systemd runs where tests run.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parseArguments } from "../../src/cli/args.ts";
import { hasProgram } from "../support/has_program.ts";
import { print } from "../support/print.ts";
import { BLOCKS, blocksOf, excuse, RUNBOOK, untaken } from "./runbook_blocks.ts";
import { alerts } from "./runbook_alerts.ts";
import { certificates } from "./runbook_certificates.ts";
import { daily } from "./runbook_daily.ts";
import { anyClient } from "./runbook_grpc.ts";
import { installed } from "./runbook_install.ts";

Deno.test("RUNBOOK.md's commands are correct bash, and every link in it leads to a heading", async (t) => {
  for (const [heading, blocks] of BLOCKS) {
    await t.step(heading, async () => {
      const args = ["-n", "-c", blocks.join("\n")];
      const { code, stderr } = await new Deno.Command("bash", { args }).output();
      assert.equal(code, 0, new TextDecoder().decode(stderr));
    });
  }
  const headings = [...RUNBOOK.matchAll(/^##+ (.*)$/gm)]
    .map(([, heading]) => `#${heading!.toLowerCase().replaceAll(/[^a-z -]/g, "").replaceAll(" ", "-")}`);
  assert.equal(new Set(headings).size, headings.length, "two headings have one anchor");
  const links = [...RUNBOOK.matchAll(/\]\((#[^)]*)\)/g)].map(([, link]) => link!);
  assert.deepEqual(links.filter((link) => !headings.includes(link)), []);
});

Deno.test("RUNBOOK.md keeps its commands in blocks: what stands in a line of text is the name of one", () => {
  const spans = [...RUNBOOK.replaceAll(/^ *```[^]*?^ *```$/gm, "").matchAll(/`([^`]+)`/g)].map(([, span]) =>
    span!
  );
  assert.ok(spans.length > 100);
  // The release checklist's: tests/tidy looks whether there are such tasks.
  const isTask = (span: string): boolean => /^(MC_PROXY_BIN=\S+ )?deno task \S+/.test(span);
  const isName = (span: string): boolean =>
    parseArguments(["help", ...span.split(" ").slice(1)]).kind === "text";
  const tools =
    /^(?:sh|bash|systemctl|journalctl|kill|grep|ls|df|du|ss|ip|openssl|ln|cp|mv|rm|tar|awk|ps|curl|sysctl) /;
  assert.deepEqual(spans.filter((span) => tools.test(span)), []);
  const ours = spans.filter((span) => span.startsWith("mc-proxy ") && !isTask(span));
  assert.ok(ours.length > 10);
  assert.deepEqual(ours.filter((span) => !isName(span)), []);
});

Deno.test("RUNBOOK.md's commands do what it says, every one of them", async (t) => {
  await t.step("on any day", daily);
  await t.step("after an alert", alerts);
  await t.step("certificates", certificates);
  let hasRoot = false;
  await t.step("install, upgrade, roll back", async (t) => void (hasRoot = await installed(t)));
  if (!hasRoot) {
    print("RUNBOOK.md's install, upgrade and roll back are not tried: no root of its own can be made here");
    excuse("Install", "Upgrade", "Roll back the binary");
  }
  if (hasProgram("grpcurl")) await t.step("any gRPC client", anyClient);
  else excuse("Administer with any gRPC client");
  await t.step("no command was left out", () => assert.deepEqual(untaken(), []));
});

Deno.test("blocksOf() finds blocks of a list, too, and takes their indentation off", () => {
  const text =
    "## A\n\n1. x\n\n   ```sh\n   y\n     z\n   ```\n\n```text\nno\n```\n\n### B\n\n```sh\nw\n```\n";
  assert.deepEqual([...blocksOf(text)], [["A", ["y\n  z\n"]], ["B", ["w\n"]]]);
});
