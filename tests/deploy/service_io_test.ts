/**
 * Goal: systemd takes the unit as it stands. Method: `systemd-analyze verify` on a copy whose binary exists here.
 *
 * @module
 */

import assert from "node:assert/strict";
import { hasProgram } from "../support/has_program.ts";
import { print } from "../support/print.ts";

const UNIT = new URL("../../deploy/mc-proxy.service", import.meta.url);
const INSTALLED = "/usr/local/bin/mc-proxy";

const isSkipped = !hasProgram("systemd-analyze");
if (isSkipped) {
  print("skipped: deploy/mc-proxy.service is not verified, for there is no systemd-analyze here");
}

Deno.test({
  name: "deploy/mc-proxy.service is a unit without a mistake",
  ignore: isSkipped,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "mc-proxy-unit-" });
    try {
      const unit = (await Deno.readTextFile(UNIT)).replaceAll(INSTALLED, "/bin/true");
      await Deno.writeTextFile(`${folder}/mc-proxy.service`, unit);
      const { success, stderr } = await new Deno.Command("systemd-analyze", {
        args: ["verify", `${folder}/mc-proxy.service`],
      }).output();
      assert.equal(new TextDecoder().decode(stderr), "");
      assert.ok(success);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
