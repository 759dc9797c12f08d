import assert from "node:assert/strict";
import { type CommandLine, parseArguments } from "../../src/cli/args.ts";

const COMMANDS: readonly [args: string, expected: CommandLine][] = [
  ["server -c a.toml", { command: "server", configPath: "a.toml", testingOnlyFaults: false }],
  ["server --config=a.toml", { command: "server", configPath: "a.toml", testingOnlyFaults: false }],
  ["server --testing-only-faults -c a.toml", {
    command: "server",
    configPath: "a.toml",
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
  ["snapshot -c a.toml --online", { command: "snapshot", configPath: "a.toml", online: true, json: false }],
  ["snapshot -c a.toml", { command: "snapshot", configPath: "a.toml", online: false, json: false }],
  ["snapshot -c a.toml --keep 14", {
    command: "snapshot",
    configPath: "a.toml",
    keep: 14,
    online: false,
    json: false,
  }],
  ["snapshot -c a.toml -o b.db --json", {
    command: "snapshot",
    online: false,
    configPath: "a.toml",
    outPath: "b.db",
    json: true,
  }],
  ["version", { command: "version", json: false }],
  ["version --json", { command: "version", json: true }],
];

Deno.test("parseArguments() understands every command with its options", async (t) => {
  for (const [args, commandLine] of COMMANDS) {
    await t.step(args, () => {
      assert.deepEqual(parseArguments(args.split(" ")), { kind: "command", commandLine });
    });
  }
});

const FAULTS: readonly [args: string, text: string][] = [
  ["chekc", "error: unknown command 'chekc'\n(Did you mean check?)"],
  ["check", "error: required option '-c, --config <file>' not specified"],
  ["check -c", "error: option '-c, --config <file>' argument missing"],
  ["check -c a b", "error: too many arguments for 'check'. Expected 0 arguments but got 1: b."],
  ["check -c a --jsn", "error: unknown option '--jsn'\n(Did you mean --json?)"],
  ["server -c a --takeover", "error: unknown option '--takeover'"],
  ["server -c a --json", "error: unknown option '--json'"],
  [
    "snapshot -c a --keep 0",
    "error: option '--keep <count>' argument '0' is invalid. Wanted a whole number from 1 on.",
  ],
  [
    "snapshot -c a --keep 2 -o b",
    "error: option '--keep <count>' cannot be used with option '-o, --out <file>'",
  ],
  ["snapshot -c a --keep 2 --online", "error: option '--keep <count>' cannot be used with option '--online'"],
  ["-c a", "error: unknown option '-c'"],
];

Deno.test("parseArguments() names what it doesn't understand", async (t) => {
  for (const [args, text] of FAULTS) {
    await t.step(args, () => {
      assert.deepEqual(parseArguments(args.split(" ")), {
        kind: "usage",
        text: `${text}\n(mc-proxy help says more)\n`,
      });
    });
  }
});

const VISIBLE = ["server", "check", "snapshot", "version"];

Deno.test("parseArguments() gives help for the program and for every command", async (t) => {
  const textOf = (args: readonly string[]) => {
    const parsed = parseArguments(args);
    assert.equal(parsed.kind, "text");
    return parsed.kind === "text" ? parsed.text : "";
  };
  for (const args of [["help"], ["--help"], ["-h"]]) {
    await t.step(args.join(), () => {
      const text = textOf(args);
      for (const command of VISIBLE) assert.match(text, new RegExp(`^  ${command} `, "m"));
      assert.match(text, /Exit codes: 0 ok, 1 failed, 2 wrong usage or configuration\n$/);
    });
  }
  for (const command of VISIBLE) {
    await t.step(command, () => {
      const text = textOf(["help", command]);
      assert.match(text, new RegExp(`^Usage: mc-proxy ${command} `));
      assert.match(text, /Exit codes: /);
      assert.doesNotMatch(text, /testing-only/);
      assert.equal(textOf([command, "--help"]), text);
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
