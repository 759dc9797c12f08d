import assert from "node:assert/strict";

import { ROOT } from "./layers.ts";
import plugin from "./layers_lint.ts";

/** Lints a source as if it stood at a project path, and asserts which of our rules fire, in order of rule and place. */
function check(path: string, source: string, expected: readonly string[]): void {
  const found = Deno.lint.runPlugin(plugin, ROOT + path, source).map((diagnostic) => diagnostic.id);
  assert.deepEqual(found.sort(), [...expected].sort(), `${path}: ${source.slice(0, 200)}`);
}

Deno.test("layers fires when a file imports from a row above its own", () => {
  const fires: [string, string][] = [
    ["src/wire/a.ts", `import { b } from "../state/b.ts";`],
    ["src/wire/a.ts", `import type { B } from "../reasons_of_ours.ts";`],
    ["src/reasons.ts", `import { b } from "./wire/b.ts";`],
    ["src/http1/a.ts", `export * from "../http2/b.ts";`],
    ["src/policy/a.ts", `export { b } from "../state/b.ts";`],
    ["src/proxy/a.ts", `const b = await import("../store/b.ts");`],
    ["src/proxy/a.ts", `type B = import("../config/b.ts").B;`],
    ["src/proxy/a.ts", `import { b } from "../daemon.ts";`],
    ["src/daemon.ts", `import { b } from "./cli/b.ts";`],
    ["src/cli/a.ts", `import { b } from "../../main.ts";`],
    ["src/net/a.ts", `import { b } from "../../tests/support/b.ts";`],
    ["src/net/a.ts", `import { b } from "../../../elsewhere/b.ts";`],
    ["src/elsewhere/a.ts", `import { b } from "../wire/b.ts";`],
    ["main.ts", `import { b } from "./tests/support/b.ts";`],
  ];
  for (const [path, source] of fires) {
    const found = Deno.lint.runPlugin(plugin, ROOT + path, source).map((diagnostic) => diagnostic.id);
    assert.ok(found.includes("tidy/layers"), `${path}: ${source}`);
  }
});

Deno.test("layers is silent when an import stays in its row or goes down", () => {
  check("src/wire/a.ts", `import { b } from "./b.ts";`, []);
  check("src/wire/a.ts", `import { b } from "../reasons.ts"; import { c } from "../errors.ts";`, []);
  check("src/reasons.ts", `import { b } from "./errors.ts";`, []);
  check("src/http2/a.ts", `import { b } from "../http1/b.ts";`, []);
  check("src/proxy/a.ts", `import { b } from "../l7/b.ts"; import { c } from "node:net";`, []);
  check("src/cli/version.ts", `import deno from "../../deno.json" with { type: "json" };`, []);
  check("src/admin/reflection.ts", `import p from "../../proto/a.proto" with { type: "text" };`, []);
  check("src/admin/server.ts", `import { b } from "./gen/b.ts";`, []);
  check("main.ts", `import { run } from "./src/cli/run.ts";`, []);
  check("tests/e2e/a_test.ts", `import { run } from "../../src/cli/run.ts";`, []);
  check("src/admin/gen/a.ts", `import { b } from "../../cli/b.ts";`, []);
});

Deno.test("purity fires when a pure file names an effect", () => {
  const effects = [
    `Deno.cwd();`,
    `type C = Deno.Conn;`,
    `const { cwd } = Deno;`,
    `fetch("https://example.org");`,
    `setTimeout(() => {}, 1);`,
    `const t = setInterval;`,
    `queueMicrotask(() => {});`,
    `const n = Date.now();`,
    `const n = Date["now"]();`,
    `const n = new Date();`,
    `const { now } = Date;`,
    `const n = Math.random();`,
    `const { random } = Math;`,
    `const n = performance.now();`,
    `crypto.getRandomValues(new Uint8Array(1));`,
    `globalThis.fetch("x");`,
    `const options = { fetch };`,
    `AbortSignal.timeout(5);`,
    `new Worker("x");`,
    `new WebSocket("x");`,
    `import { Buffer } from "node:buffer";`,
    `import { open } from "maxmind";`,
    `import { b } from "../config/load.ts";`,
  ];
  for (const path of ["src/config/a.ts", "src/cli/args.ts"]) {
    for (const source of effects) {
      const found = Deno.lint.runPlugin(plugin, ROOT + path, source).map((diagnostic) => diagnostic.id);
      assert.ok(found.includes("tidy/purity"), `${path}: ${source}`);
    }
  }
  check("src/wire/a.ts", `console.log(1);`, ["tidy/purity", "tidy/no-console"]);
  check("src/policy/a.ts", `export const b = () => import("./b.ts");`, ["tidy/purity"]);
});

Deno.test("purity names every pure folder when it fires", () => {
  const pure = [
    "src/wire/a.ts",
    "src/policy/a.ts",
    "src/state/a.ts",
    "src/http1/a.ts",
    "src/http2/a.ts",
    "src/reasons.ts",
    "src/errors.ts",
    "src/config/parse.ts",
    "src/cli/args.ts",
    "src/cli/render.ts",
    "src/admin/codec.ts",
    "src/l7/request_rules.ts",
  ];
  for (const path of pure) check(path, `export const now = Date.now();`, ["tidy/purity"]);
  const impure = [
    "src/config/load.ts",
    "src/cli/run.ts",
    "src/net/dial.ts",
    "src/daemon.ts",
    "src/l7/exchange.ts",
  ];
  for (const path of impure) check(path, `export const now = Date.now();`, []);
});

Deno.test("purity is silent when a name is a key, a member or a harmless use", () => {
  const legal = [
    `import ip from "ipaddr.js"; import { b } from "../state/b.ts";`,
    `const row = { fetch: 1, crypto: 2, process: 3 }; row.fetch; row.process;`,
    `interface Owner { readonly performance: number; fetch(): void }`,
    `class A { fetch(): void {} process = 1; }`,
    `const day = new Date(0).toISOString();`,
    `const at = Date.UTC(2026, 0, 1); const is = (at as unknown) instanceof Date; type D = Date;`,
    `const n = Math.max(1, Math.floor(2.5));`,
    `const text = new TextDecoder().decode(new Uint8Array(1));`,
    `interface Worker { readonly id: number }`,
    `import type * as model from "../state/model.ts"; type P = model.performance;`,
  ];
  for (const source of legal) check("src/config/a.ts", source, []);
});

Deno.test("confined fires when a power is used outside its one place", () => {
  const open = `const libc = Deno.dlopen("libc.so.6", {});`;
  check("src/net/native.ts", open, []);
  check("src/net/dial.ts", open, ["tidy/confined"]);
  check("src/net/dial.ts", `new Deno.UnsafePointerView(pointer);`, ["tidy/confined"]);
  check("src/net/dial.ts", `Deno["dlopen"]("libc.so.6", {});`, ["tidy/confined"]);
  check("src/net/dial.ts", `Deno[name]();`, ["tidy/confined"]);
  check("src/net/dial.ts", `const D = Deno;`, ["tidy/confined"]);
  check("src/net/dial.ts", `const { dlopen } = Deno;`, ["tidy/confined"]);
  check("src/net/dial.ts", `const is = (s: symbol) => s.description === "Deno.internal.fd";`, [
    "tidy/confined",
  ]);
  check("src/net/native.ts", `const is = (s: symbol) => s.description === "Deno.internal.fd";`, []);
  check("src/net/dial.ts", `Deno.connect({ port: 1 });`, []);
  const sqlite = `import { DatabaseSync } from "node:sqlite";`;
  check("src/store/open.ts", sqlite, []);
  check("src/control/changes.ts", sqlite, ["tidy/confined"]);
  check("src/control/changes.ts", `const s = await import("node:sqlite");`, ["tidy/confined"]);
  check("src/l7/upstream.ts", `import http2 from "node:http2";`, ["tidy/confined"]);
  check("tests/store/open_io_test.ts", sqlite, []);
});

Deno.test("file-length fires when a file has more than 300 lines", () => {
  const line = "export type A = 1;\n";
  check("src/net/a.ts", line.repeat(300), []);
  check("src/net/a.ts", line.repeat(301), ["tidy/file-length"]);
  check("src/admin/gen/a.ts", line.repeat(301), []);
  check("tests/net/a_test.ts", line.repeat(301), []);
});

Deno.test("function-length fires when a function has more than 70 lines", () => {
  const body = (lines: number): string => "\n  f();".repeat(lines - 2) + "\n";
  for (
    const wrap of [
      (text: string) => `function f() {${text}}`,
      (text: string) => `const f = () => {${text}};`,
      (text: string) => `class A { f() {${text}} }`,
    ]
  ) {
    check("src/net/a.ts", wrap(body(70)), []);
    check("src/net/a.ts", wrap(body(71)), ["tidy/function-length"]);
    check("tests/net/a_test.ts", wrap(body(71)), []);
  }
});

Deno.test("no-as-any fires when a value is cast to any, in tests too", () => {
  check("src/net/a.ts", `const a = b as any;`, ["tidy/no-as-any"]);
  check("tests/net/a_test.ts", `const a = b as any;`, ["tidy/no-as-any"]);
  check("src/net/a.ts", `const a = <any> b;`, ["tidy/no-as-any"]);
  check("src/net/a.ts", `const a = b as unknown as Any;`, []);
});

Deno.test("no-console fires when the program names the console", () => {
  check("src/net/a.ts", `console.error("x");`, ["tidy/no-console"]);
  check("src/net/a.ts", `const { log } = globalThis.console;`, ["tidy/no-console"]);
  check("tests/bench/main.ts", `console.log("x");`, []);
});
