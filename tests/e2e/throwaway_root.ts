/**
 * A root of its own for commands that change a whole system: this machine's files under an overlay that nothing gets out
 * of, with a network of its own. Needs the rights to mount.
 *
 * @module
 */

import { type Ended, runCommand } from "../support/command.ts";
import { PROJECT_FOLDER } from "../support/program_command.ts";
import { eventually } from "./eventually.ts";

/** Mounts everything under `$0`, then waits for its end. */
const HOLD = `set -e
mount -t tmpfs tmpfs "$0"
mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root"
for each in /proc /dev /sys; do mount --rbind "$each" "$0/root$each"; done
mount -t tmpfs -o mode=755 tmpfs "$0/root/run"
ip link set lo up
touch "$0/ready"
exec sleep infinity
`;

/** The root, until it is disposed of. */
export class ThrowawayRoot implements AsyncDisposable {
  readonly #folder: string;
  readonly #holder: Deno.ChildProcess;

  private constructor(folder: string, holder: Deno.ChildProcess) {
    this.#folder = folder;
    this.#holder = holder;
  }

  /** Makes one; undefined where this machine doesn't let us, or has its files in more than one place. */
  static async make(): Promise<ThrowawayRoot | undefined> {
    const folder = await Deno.makeTempDir({ prefix: "mc-proxy-root-" });
    const holder = new Deno.Command("unshare", {
      args: ["-mn", "bash", "-c", HOLD, folder],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    let hasEnded = false;
    void holder.status.then(() => hasEnded = true);
    const root = new ThrowawayRoot(folder, holder);
    const isReady = async (): Promise<boolean> =>
      (await root.#enter(["test", "-e", `${folder}/ready`], {}, "")).code === 0;
    await eventually("the root, or the end of who makes it", async () => hasEnded || await isReady(), 60_000);
    if (!hasEnded && await root.#hasProgram()) return root;
    await root[Symbol.asyncDispose]();
    return undefined;
  }

  /** Runs bash commands there, in the project's folder. */
  run(commands: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const args = ["chroot", `${this.#folder}/root`, "bash", "-c", `cd '${PROJECT_FOLDER}'\n${commands}`];
    return this.#enter(args, env, Deno.env.get("PATH")!);
  }

  /** Other users have to reach the runtime and its cache, too. */
  async #hasProgram(): Promise<boolean> {
    const { denoDir } = JSON.parse((await runCommand(Deno.execPath(), ["info", "--json"])).out);
    const open = `for p in '${denoDir}' '${Deno.execPath()}' '${PROJECT_FOLDER}'; do
      while [ "$p" != / ]; do chmod a+x "$p"; p=$(dirname "$p"); done
    done`;
    const { code } = await this.run(`${open}\n[ -e main.ts ] && '${Deno.execPath()}' --version`);
    return code === 0;
  }

  async #enter(args: readonly string[], env: Readonly<Record<string, string>>, path: string): Promise<Ended> {
    return await runCommand("nsenter", ["-t", String(this.#holder.pid), "-m", "-n", ...args], {
      env: { ...env, ...(path !== "" && { PATH: `/usr/local/sbin:${path}:/usr/sbin:/sbin` }) },
      signal: AbortSignal.timeout(90_000),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#holder.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    await this.#holder.status;
    await Deno.remove(this.#folder, { recursive: true });
  }
}
