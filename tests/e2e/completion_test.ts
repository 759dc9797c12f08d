/**
 * Goal: the scripts of `mc-proxy completion` complete commands, options and their values in the real shells.
 * Method: the script is read as the help of the command says, and a line is typed up to the tabulator: bash and zsh
 * in a terminal of `script`, fish by its own way to ask.
 *
 * @module
 */

import assert from "node:assert/strict";
import { hasProgram } from "../support/has_program.ts";
import { LineReader } from "../support/line_reader.ts";
import { print } from "../support/print.ts";
import { runProgram } from "../support/program.ts";
import { eventually } from "./eventually.ts";

/** What is typed, and all that is offered, or what stands there when only one thing can be meant. */
const ROWS: readonly [typed: string, offered: readonly string[]][] = [
  ["mc-proxy firew", ["firewall"]],
  ["mc-proxy routes upd", ["update"]],
  ["mc-proxy routes ", ["list", "add", "update", "remove"]],
  ["mc-proxy routes add --mod", ["--mode"]],
  ["mc-proxy routes add a.test 127.0.0.1:1 --mode l", ["l4", "l7"]],
  ["mc-proxy routes remove a.test --existing dr", ["drain"]],
  ["mc-proxy firewall add c", ["cidr", "country"]],
  ["mc-proxy status --jso", ["--json"]],
  ["mc-proxy connections list --min-a", ["--min-age"]],
  ["mc-proxy revisions rollback 3 --expec", ["--expected-revision"]],
  ["mc-proxy completion f", ["fish"]],
];

async function scriptOf(shell: string): Promise<string> {
  const { code, stdout } = await runProgram(["completion", shell]);
  assert.equal(code, 0);
  return stdout;
}

/** A folder with each shell's script under the name by which it is found, and a file to complete. */
async function withScript(shell: string, act: (folder: string) => Promise<void>): Promise<void> {
  const missing = [shell, "script"].find((name) => !hasProgram(name));
  if (missing !== undefined) return print(`skipped, not installed: ${missing}`);
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/_mc-proxy`, await scriptOf(shell));
    await Deno.writeTextFile(`${folder}/only.toml`, "");
    await act(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** An interactive shell in a terminal. */
class Terminal implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #output: LineReader;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #seen = 0;

  constructor(shell: string, folder: string) {
    this.#child = new Deno.Command("script", {
      args: ["-qec", shell, "/dev/null"],
      // A shell outlives `script` by a moment, and would write its history into a folder that is being removed.
      env: { TERM: "dumb", HOME: folder, HISTFILE: "/dev/null", NO_COLOR: "1", COLUMNS: "200" },
      cwd: folder,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#output = new LineReader(this.#child.stdout, () => {});
    this.#writer = this.#child.stdin.getWriter();
  }

  async type(text: string): Promise<void> {
    this.#seen = this.#output.text.length;
    await this.#writer.write(new TextEncoder().encode(text));
  }

  /** What has come since the last typing, as soon as it is as wanted. */
  async shows(pattern: RegExp): Promise<string> {
    return await eventually(`${pattern} in a terminal`, () => {
      const text = this.#output.text.slice(this.#seen);
      return pattern.test(text) && text;
    }, 20_000).catch((error) => {
      throw new Error(`${error.message}; got ${JSON.stringify(this.#output.text.slice(this.#seen))}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#output.done;
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

async function typeRows(terminal: Terminal): Promise<void> {
  for (const [typed, offered] of [...ROWS, ["mc-proxy check -c onl", ["only.toml"]] as const]) {
    // Two tabulators: the second shows what the first couldn't decide.
    await terminal.type(`${typed}\t\t`);
    const begin = typed.slice(0, typed.lastIndexOf(" ") + 1);
    for (const word of offered) {
      const pattern = offered.length === 1
        ? `${escaped(begin)}${escaped(word)}`
        : `(^|\\s)${escaped(word)}\\s`;
      await terminal.shows(new RegExp(pattern));
    }
    // Away with the line.
    await terminal.type("\x15echo next-line\n");
    await terminal.shows(/\nnext-line/);
  }
}

Deno.test("completion completes commands, options, values and files in bash", async () => {
  await withScript("bash", async (folder) => {
    await using terminal = new Terminal("bash --norc --noprofile -i", folder);
    await terminal.type("PS1='$ '; bind 'set bell-style none'; source ./_mc-proxy; echo rea''dy\n");
    await terminal.shows(/ready/);
    await typeRows(terminal);
  });
});

Deno.test("completion completes commands, options, values and files in zsh, by its folder of functions and by source", async (t) => {
  await withScript("zsh", async (folder) => {
    const ways = { "a folder": `fpath=(${folder} $fpath)`, "source": "" };
    for (const [name, fpath] of Object.entries(ways)) {
      await t.step(name, async () => {
        await using terminal = new Terminal("zsh -f -i", folder);
        const source = fpath === "" ? "source ./_mc-proxy" : "true";
        await terminal.type(
          `PS1='$ '; unsetopt prompt_sp beep; ${fpath}; autoload -U compinit && compinit -u -D; ${source}; echo rea''dy\n`,
        );
        await terminal.shows(/ready/);
        await typeRows(terminal);
      });
    }
  });
});

Deno.test("completion completes commands, options, values and files in fish", async () => {
  await withScript("fish", async (folder) => {
    for (
      const [typed, offered] of [
        ...ROWS,
        [`mc-proxy check -c ${folder}/onl`, [`${folder}/only.toml`]] as const,
      ]
    ) {
      const { stdout, stderr } = await new Deno.Command("fish", {
        args: ["--no-config", "-c", `source ${folder}/_mc-proxy; complete -C '${typed}'`],
        env: { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder, TERM: "dumb" },
      }).output();
      const words = new TextDecoder().decode(stdout).split("\n").map((line) => line.split("\t")[0]!);
      assert.equal(new TextDecoder().decode(stderr), "");
      assert.deepEqual(words.filter((each) => each !== "").sort(), [...offered].sort(), typed);
    }
  });
});
