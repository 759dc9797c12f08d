/**
 * Goal: systemd takes the units as they stand, and they are as closed as RUNBOOK.md says. Method: `systemd-analyze` on
 * copies whose binary exists here.
 *
 * @module
 */

import assert from "node:assert/strict";
import runbook from "../../RUNBOOK.md" with { type: "text" };
import { type Ended, runCommand } from "../support/command.ts";
import { hasProgram } from "../support/has_program.ts";
import { print } from "../support/print.ts";

const DEPLOY = new URL("../../deploy/", import.meta.url);
const INSTALLED = "/usr/local/bin/mc-proxy";
const UNITS = ["mc-proxy.service", "mc-proxy-snapshot.service", "mc-proxy-snapshot.timer"];

const isSkipped = !hasProgram("systemd-analyze");
if (isSkipped) print("skipped: the units of deploy/ are not verified, for there is no systemd-analyze here");

/** Runs `use` with a folder that holds the units, their binary being one that is there. */
async function withUnits(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-units-" });
  try {
    for (const name of UNITS) {
      const unit = await Deno.readTextFile(new URL(name, DEPLOY));
      await Deno.writeTextFile(`${folder}/${name}`, unit.replaceAll(INSTALLED, "/bin/true"));
    }
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function analyze(...args: string[]): Promise<Ended> {
  return runCommand("systemd-analyze", args);
}

Deno.test({
  name: "systemd-analyze verify finds no mistake in any unit of deploy",
  ignore: isSkipped,
  fn: () =>
    withUnits(async (folder) => {
      for (const name of UNITS) {
        const { code, err } = await analyze("verify", `${folder}/${name}`);
        assert.equal(err, "", name);
        assert.equal(code, 0, name);
      }
    }),
});

Deno.test({
  name: "systemd-analyze security gives each service the exposure that RUNBOOK.md states",
  ignore: isSkipped,
  fn: () =>
    withUnits(async (folder) => {
      for (const name of UNITS.filter((unit) => unit.endsWith(".service"))) {
        const stated = new RegExp(`\`${name}\`\\s+(\\d+\\.\\d)`).exec(runbook)?.[1];
        assert.ok(stated !== undefined, `RUNBOOK.md states no figure for ${name}`);
        const { out } = await analyze("security", "--offline=true", "--no-pager", `${folder}/${name}`);
        assert.equal(/Overall exposure level for \S+: ([0-9.]+)/.exec(out)?.[1], stated, name);
      }
    }),
});
