/**
 * The project's layers as data: which file of `src/` may import which, which files are pure, and where the few
 * dangerous powers may be used. The lint plugin enforces it, the tidy tests read it.
 *
 * @module
 */

/** Absolute path of the project's folder, with a slash at its end. */
export const ROOT: string = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** From top to bottom: a row may import itself and the rows below it. A row is a folder of `src/`, or files of `src/` itself. */
const ROWS: readonly (readonly string[])[] = [
  ["main.ts"],
  ["src/cli/"],
  ["src/daemon.ts", "src/daemon/"],
  ["src/admin/"],
  ["src/control/"],
  ["src/store/"],
  ["src/config/"],
  ["src/proxy/"],
  ["src/l7/"],
  ["src/net/"],
  ["src/observe/"],
  ["src/state/"],
  ["src/policy/"],
  ["src/http2/"],
  ["src/http1/"],
  ["src/wire/"],
  ["src/reasons.ts", "src/errors.ts"],
];

/** What a pure file may be called: no effect, no clock, no randomness; every input is an argument. */
const PURE: readonly RegExp[] = [
  /^src\/(wire|policy|state|http1|http2)\//,
  /^src\/(reasons|errors)\.ts$/,
  /^src\/config\/(?!load\.ts$)/,
  /^src\/cli\/(admin_specs|admin_text|args|check_report|columns|command_spec|completion|finding|local_specs|render|version)\.ts$/,
  /^src\/admin\/(answers|certificate_names|codec|decision|der|explain_warnings|explained_hello|extended_key_usage|requests)\.ts$/,
  /^src\/l7\/\w+_rules\.ts$/,
];

/** Bare imports that a pure file may use: they compute and do nothing else. */
const PURE_PACKAGES: ReadonlySet<string> = new Set([
  "@bufbuild/protobuf",
  "@bufbuild/protobuf/wkt",
  "ipaddr.js",
  "smol-toml",
]);

/** The command-line parser: pure once its exits and writes are overridden, which `cli/args.ts` does. */
const ARGS_PACKAGE = "commander";

/** A power that only some files may use. */
export interface Confined {
  /** What is matched: an import specifier, `Deno.` and a member's beginning, or a string that a literal contains. */
  readonly what: string;
  /** Where it may stand: the beginning of a path from the project's root; absent = nowhere in `src/`. */
  readonly where?: string;
  /** Why, for the message. */
  readonly why: string;
}

/** Every power that is confined to one place. */
export const CONFINED: readonly Confined[] = [
  { what: "node:sqlite", where: "src/store/", why: "only the store opens the database" },
  { what: "node:http2", why: "it crashes or leaks in a server; src/http2 is ours" },
  { what: "Deno.dlopen", where: "src/net/native.ts", why: "foreign functions stand in one file" },
  { what: "Deno.Unsafe", where: "src/net/native.ts", why: "foreign functions stand in one file" },
  { what: "Deno.internal.fd", where: "src/net/native.ts", why: "descriptors are taken in one file" },
];

/** A path as the project writes it, from the root: `src/wire/client_hello.ts`. Relative paths are taken as they are. */
export function projectPath(filename: string): string {
  return filename.startsWith(ROOT) ? filename.slice(ROOT.length) : filename.replace(/^\.\//, "");
}

/** Whether the rules for the program (not for its tests) hold for this path. Generated code is nobody's. */
export function isProgram(path: string): boolean {
  return path === "main.ts" || (path.startsWith("src/") && !path.startsWith("src/admin/gen/"));
}

/** Whether the path is one of the pure files. */
export function isPure(path: string): boolean {
  return PURE.some((pattern) => pattern.test(path));
}

/** The row's number, counted from the top; `undefined` for a path that the table doesn't know. */
export function rowOf(path: string): number | undefined {
  const row = ROWS.findIndex((names) =>
    names.some((name) => name.endsWith("/") ? path.startsWith(name) : path === name)
  );
  return row < 0 ? undefined : row;
}

/** Where a relative import from `path` leads, as a project path; it begins with `..` when it leaves the project. */
export function resolveImport(path: string, specifier: string): string {
  const parts = path.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}

/** What is wrong with an import by the layers' table; `undefined` when it is legal. */
export function layerFault(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const target = resolveImport(path, specifier);
  if (target === "deno.json" || target.startsWith("proto/")) return undefined;
  if (!isProgram(target) && !target.startsWith("src/admin/gen/")) return `${target} is outside src`;
  const from = rowOf(path);
  const to = rowOf(target);
  if (from === undefined) return `${path} is in no row of the layers' table (tests/tidy/layers.ts)`;
  if (to === undefined) return `${target} is in no row of the layers' table (tests/tidy/layers.ts)`;
  return to < from ? `${path} may not import ${target}, which stands above it` : undefined;
}

/** What is wrong with an import in a pure file; `undefined` when it is legal. */
export function purityFault(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) {
    if (path === "src/cli/args.ts" && specifier === ARGS_PACKAGE) return undefined;
    return PURE_PACKAGES.has(specifier) ? undefined : `a pure file may not import ${specifier}`;
  }
  const target = resolveImport(path, specifier);
  if (target === "deno.json" || target.startsWith("proto/")) return undefined;
  // What protoc-gen-es makes are descriptions of messages.
  if (target.startsWith("src/admin/gen/")) return undefined;
  return isPure(target) ? undefined : `a pure file may not import ${target}, which is not pure`;
}
