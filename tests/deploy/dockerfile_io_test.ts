/**
 * Goal: deploy/Dockerfile builds, and what it makes runs with a root that is read-only, as its user, without a
 * capability, and is found healthy. Method: no image can be pulled where tests run, so its lines are run in a root of
 * their own: this machine's files under an overlay. What needs a network (apt-get, npm) is looked at and not run.
 *
 * @module
 */

import assert from "node:assert/strict";
import project from "../../deno.json" with { type: "json" };
import dockerfile from "../../deploy/Dockerfile" with { type: "text" };
import { writeProgram } from "../e2e/runbook_host.ts";
import { ThrowawayRoot } from "../e2e/throwaway_root.ts";
import { print } from "../support/print.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";
import { stagesOf, wordsOf } from "./dockerfile.ts";

const [BUILD, IMAGE] = stagesOf(dockerfile) as [
  ReturnType<typeof stagesOf>[0],
  ReturnType<typeof stagesOf>[0],
];

function textOf(name: string): string {
  return IMAGE.find((each) => each.name === name)!.text;
}

Deno.test("stagesOf() reads stages and instructions, and refuses what it doesn't understand", () => {
  assert.deepEqual(stagesOf('# c\nFROM a AS b\nRUN x && y\n\nFROM c\nCMD ["d"]\n'), [
    [{ name: "FROM", text: "a AS b" }, { name: "RUN", text: "x && y" }],
    [{ name: "FROM", text: "c" }, { name: "CMD", text: '["d"]' }],
  ]);
  assert.throws(() => stagesOf("FROM a\nRUN b \\\n  c\n"), /not understood: RUN b/);
  assert.deepEqual(wordsOf('--interval=1s CMD ["a", "-c"]'), ["a", "-c"]);
});

Deno.test("deploy/Dockerfile copies all that deno task compile needs", async () => {
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-build-" });
  try {
    for (const { text } of BUILD.filter(({ name }) => name === "COPY")) {
      const words = text.split(" ");
      const to = words.pop()!;
      for (const from of words) {
        const path = to.endsWith("/") ? `${folder}/${to}${from}` : `${folder}/${to}`;
        const copy = `mkdir -p "$(dirname "$1")" && cp -r "$0" "$1"`;
        const { success } = await new Deno.Command("sh", {
          args: ["-c", copy, `${PROJECT_FOLDER}${from}`, path],
        })
          .output();
        assert.ok(success, from);
      }
    }
    assert.ok(BUILD.some(({ name, text }) => name === "RUN" && text === "deno task compile"));
    const compile = /^deno run -A (\S+)$/.exec(project.tasks.compile.command)![1]!;
    for (const entry of ["main.ts", compile]) {
      const { stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["info", "--json", entry],
        cwd: folder,
      })
        .output();
      const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: { error?: string }[] };
      assert.ok(modules.length > 5);
      assert.deepEqual(modules.flatMap(({ error }) => error ?? []), [], entry);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("deploy/Dockerfile's image is served by its user in a read-only root, and becomes healthy", async () => {
  await using root = await ThrowawayRoot.make();
  if (root === undefined) {
    return print("skipped: deploy/Dockerfile is not run, no root of its own can be made here");
  }
  const succeed = async (commands: string): Promise<string> => {
    const { code, out, err } = await root.run(`set -e\n${commands}`);
    assert.equal(code, 0, `${commands}\n${out}${err}`);
    return out;
  };
  const folder = await Deno.makeTempDir({ prefix: "mc-proxy-image-" });
  try {
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
    const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
    await writeProgram(`${folder}/mc-proxy`, `\nexport DENO_DIR='${denoDir}'`);
    for (const { name, text } of IMAGE) {
      if (name === "RUN" && !text.includes("apt-get")) await succeed(text);
      if (name !== "COPY") continue;
      const [from, to] = text.replace("--from=build /build/dist", folder).split(" ");
      await succeed(`cp '${from}' '${to}'`);
    }
    await succeed(
      "sysctl -q net.ipv4.ip_unprivileged_port_start=0 || echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start",
    );
    // What the container is given to write: the volume, and a tmpfs for the socket.
    for (const path of [textOf("VOLUME"), "/run/mc-proxy"]) await succeed(`mount --bind '${path}' '${path}'`);
    await succeed("mkdir /run/log && mount -t tmpfs tmpfs /run/log && mount -o remount,bind,ro /");
    await assert.rejects(succeed("touch /written"), /Read-only file system/);
    await containerLives(succeed);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

async function containerLives(succeed: (commands: string) => Promise<string>): Promise<void> {
  const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(" ");
  const user = textOf("USER");
  const as = `cd '${
    textOf("WORKDIR")
  }' && exec setpriv --reuid ${user} --regid ${user} --clear-groups --no-new-privs \
    --bounding-set=-all --inh-caps=-all`;
  const main = quoted([...wordsOf(textOf("ENTRYPOINT")), ...wordsOf(textOf("CMD"))]);
  const health = `(${as} ${quoted(wordsOf(textOf("HEALTHCHECK")))})`;
  assert.match(textOf("STOPSIGNAL"), /^SIGTERM$/);
  const told = await succeed(`
    if ${health} 2>/dev/null; then echo healthy before; fi
    (${as} ${main}) >/run/log/out 2>&1 & container=$!
    until ${health}; do kill -0 $container; sleep 0.1; done 2>/dev/null
    ps -o user= -p "$(cat /var/lib/mc-proxy/mc-proxy.db.lock)"
    kill -TERM "$(cat /var/lib/mc-proxy/mc-proxy.db.lock)"
    wait $container && echo ended well
    cat /run/log/out`);
  assert.match(
    told,
    /^healthy\n(.*\n)+mc-proxy\nended well\n\{.*"event":"starting"(.*\n)+.*"event":"stopped"/,
  );
}
