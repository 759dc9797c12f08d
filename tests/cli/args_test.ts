import assert from "node:assert/strict";
import { type CommandLine, COMMANDS, parseArguments } from "../../src/cli/args.ts";

const READ: readonly [args: string, expected: CommandLine][] = [
  ["server -c a.toml", {
    command: "server",
    configPath: "a.toml",
    takeover: false,
    testingOnlyFaults: false,
  }],
  ["server --config=a.toml", {
    command: "server",
    configPath: "a.toml",
    takeover: false,
    testingOnlyFaults: false,
  }],
  ["server --takeover -c a.toml", {
    command: "server",
    configPath: "a.toml",
    takeover: true,
    testingOnlyFaults: false,
  }],
  ["server --testing-only-faults -c a.toml", {
    command: "server",
    configPath: "a.toml",
    takeover: false,
    testingOnlyFaults: true,
  }],
  ["check -c a.toml", { command: "check", configPath: "a.toml", json: false }],
  ["check --json --config a.toml", { command: "check", configPath: "a.toml", json: true }],
  ["routes add a.test 127.0.0.1:1 -c a.toml --max-connections 7 --json", {
    command: "admin",
    name: "routes add",
    configPath: "a.toml",
    words: ["a.test", "127.0.0.1:1"],
    options: { maxConnections: "7" },
    json: true,
  }],
  ["status -c a.toml", {
    command: "admin",
    name: "status",
    configPath: "a.toml",
    words: [],
    options: {},
    json: false,
  }],
  ["completion zsh", { command: "completion", shell: "zsh" }],
  ["snapshot -c a.toml --online", {
    command: "admin",
    name: "snapshot",
    configPath: "a.toml",
    words: [],
    options: {},
    json: false,
  }],
  ["snapshot -c a.toml", { command: "snapshot", configPath: "a.toml", json: false }],
  ["snapshot -c a.toml --keep 14", { command: "snapshot", configPath: "a.toml", keep: 14, json: false }],
  ["snapshot -c a.toml -o b.db --json", {
    command: "snapshot",
    configPath: "a.toml",
    outPath: "b.db",
    json: true,
  }],
  ["version", { command: "version", json: false }],
  ["version --json", { command: "version", json: true }],
];

Deno.test("parseArguments() understands every command with its options", async (t) => {
  for (const [args, commandLine] of READ) {
    await t.step(args, () => {
      assert.deepEqual(parseArguments(args.split(" ")), { kind: "command", commandLine });
    });
  }
});

const NO_CONFIG = "error: no configuration: name it by -c FILE";
const FAULTS: readonly [args: string, text: string][] = [
  ["chekc", "error: unknown command 'chekc'\n(Did you mean check?)\n(mc-proxy --help says more)"],
  ["routes ad", "error: unknown command 'ad'\n(Did you mean add?)\n(mc-proxy routes --help says more)"],
  ["check", `${NO_CONFIG}\n(mc-proxy check --help says more)`],
  ["status", `${NO_CONFIG}, or the server by --addr ADDR\n(mc-proxy status --help says more)`],
  [
    "snapshot --addr unix:/a",
    `${NO_CONFIG}, or the server by --online and --addr ADDR\n(mc-proxy snapshot --help says more)`,
  ],
  ["check -c", "error: option '-c, --config <file>' argument missing\n(mc-proxy check --help says more)"],
  [
    "check -c a b",
    "error: too many arguments for 'check'. Expected 0 arguments but got 1: b.\n(mc-proxy check --help says more)",
  ],
  [
    "check -c a --jsn",
    "error: unknown option '--jsn'\n(Did you mean --json?)\n(mc-proxy check --help says more)",
  ],
  ["server -c a --json", "error: unknown option '--json'\n(mc-proxy server --help says more)"],
  [
    "snapshot -c a --keep 0",
    "error: option '--keep <count>' argument '0' is invalid. Wanted a whole number from 1 on.\n(mc-proxy snapshot --help says more)",
  ],
  [
    "snapshot -c a --keep 2 -o b",
    "error: option '--keep <count>' cannot be used with option '-o, --out <file>'\n(mc-proxy snapshot --help says more)",
  ],
  [
    "snapshot -c a --keep 2 --online",
    "error: option '--keep <count>' cannot be used with option '--online'\n(mc-proxy snapshot --help says more)",
  ],
  ["-c a", "error: unknown option '-c'\n(mc-proxy --help says more)"],
  [
    "routes remove a.test -c a --existing cut",
    "error: option '--existing <what>' argument 'cut' is invalid. Allowed choices are keep, drain, close.\n" +
    "(mc-proxy routes remove --help says more)",
  ],
];

Deno.test("parseArguments() names what it doesn't understand", async (t) => {
  for (const [args, text] of FAULTS) {
    await t.step(args, () => {
      assert.deepEqual(parseArguments(args.split(" ")), { kind: "usage", text: `${text}\n` });
    });
  }
});

const VISIBLE = COMMANDS.map(({ name }) => name);

function textOf(args: readonly string[]): string {
  const parsed = parseArguments(args);
  assert.equal(parsed.kind, "text");
  return parsed.kind === "text" ? parsed.text : "";
}

Deno.test("parseArguments() gives help for the program and for every command", async (t) => {
  for (const args of [["help"], ["--help"], ["-h"]]) {
    await t.step(args.join(), () => {
      const text = textOf(args);
      for (const command of VISIBLE) assert.match(text, new RegExp(`^  ${command.split(" ")[0]} `, "m"));
      assert.match(
        text,
        /Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration, 3 no server answers\n$/,
      );
    });
  }
  for (const command of VISIBLE) {
    await t.step(command, () => {
      const text = textOf([...command.split(" "), "--help"]);
      assert.match(text, new RegExp(`^Usage: mc-proxy ${command} `));
      assert.match(text, new RegExp(`^Examples?:\n  mc-proxy ${command}`, "m"));
      assert.match(text, /Exit codes: /);
      assert.doesNotMatch(text, /testing-only/);
    });
  }
});

Deno.test("parseArguments() says in the help what a command needs no configuration with, and it is so", () => {
  const rows = [
    ["check", undefined],
    ["doctor", undefined],
    ["snapshot", "--online and --addr"],
    ["status", "--addr"],
    ["routes list", "--addr"],
  ] as const;
  for (const [command, options] of rows) {
    const words = command.split(" ");
    const help = textOf([...words, "--help"]).replaceAll(/\s+/g, " ");
    assert.equal(/; not needed with ((?:--online and )?--addr)/.exec(help)?.[1], options, command);
    const parsed = parseArguments([...words, ...(options ?? "--addr").split(" and "), "unix:/x"]);
    assert.equal(parsed.kind === "command", options !== undefined, command);
  }
});

Deno.test("parseArguments() understands the examples of the help, which show each command in use", async (t) => {
  for (const { name, examples } of COMMANDS) {
    await t.step(name, () => {
      assert.ok(examples.length > 0);
      for (const example of examples) {
        const words = example.replace(/ > .*$/, "").split(" ");
        assert.equal(parseArguments(words).kind, "command", example);
      }
    });
  }
});

Deno.test("parseArguments() calls an empty command line wrong usage, and shows the help", () => {
  const parsed = parseArguments([]);
  assert.equal(parsed.kind, "usage");
  assert.match(parsed.kind === "usage" ? parsed.text : "", /^Usage: mc-proxy /);
});

Deno.test("parseArguments() prints the version", () => {
  const parsed = parseArguments(["--version"]);
  assert.match(parsed.kind === "text" ? parsed.text : "", /^mc-proxy \d+\.\d+\.\d+\n$/);
});
