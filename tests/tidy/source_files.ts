/**
 * The project's files as the tidy tests look at them: paths, imports, and what a file holds, read from its syntax
 * tree (`Deno.lint.runPlugin`, so in `deno test` only).
 *
 * @module
 */

import { resolveImport, ROOT } from "./layers.ts";

/** One module and what the tidy tests want to know of it. */
export interface Module {
  /** From the project's folder: `src/wire/client_hello.ts`. */
  readonly path: string;
  /** Project paths of the relative imports that are left at run time; `import type` isn't. */
  readonly imports: readonly string[];
  /** Whether anything is left of it at run time: not only types and re-exports. */
  readonly hasCode: boolean;
  /** Names of its `Deno.test` calls; `undefined` in the place of one that is no plain text. */
  readonly testNames: readonly (string | undefined)[];
}

/** Folders that hold nothing of ours. */
const FOREIGN: ReadonlySet<string> = new Set([".git", "coverage", "dist", "node_modules", "srv"]);

/** Top-level statements that leave no code. */
const CODELESS: ReadonlySet<string> = new Set([
  "ExportAllDeclaration",
  "ImportDeclaration",
  "TSInterfaceDeclaration",
  "TSTypeAliasDeclaration",
]);

/** Project paths of all files under a folder (`""`: the whole project), sorted. Generated code is left out. */
export function filesUnder(folder: string): string[] {
  const found: string[] = [];
  const visit = (path: string): void => {
    for (const entry of Deno.readDirSync(ROOT + path)) {
      const name = path === "" ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory && !FOREIGN.has(entry.name) && name !== "src/admin/gen") visit(name);
      else if (entry.isFile) found.push(name);
    }
  };
  visit(folder);
  return found.sort();
}

/** The text of a file of the project. */
export function readText(path: string): string {
  return Deno.readTextFileSync(ROOT + path);
}

/** Reads every TypeScript file under the folders. */
export function readModules(...folders: string[]): Module[] {
  return folders.flatMap(filesUnder).filter((path) => path.endsWith(".ts")).map((path) =>
    parseModule(path, readText(path))
  );
}

/** Reads one module's source. */
export function parseModule(path: string, source: string): Module {
  const imports = new Set<string>();
  const testNames: (string | undefined)[] = [];
  let hasCode = false;
  const collect: Deno.lint.Plugin = {
    name: "collect",
    rules: {
      all: {
        create: () => ({
          "ImportDeclaration, ExportAllDeclaration, ExportNamedDeclaration, ImportExpression"(node) {
            const specifier = node.source?.value;
            if (node.importKind === "type" || node.exportKind === "type") return;
            if (typeof specifier === "string" && specifier.startsWith(".")) {
              imports.add(resolveImport(path, specifier));
            }
          },
          CallExpression(node) {
            if (isDenoTest(node.callee)) testNames.push(nameOf(node.arguments[0]));
          },
          Program(node) {
            hasCode = node.body.some(leavesCode);
          },
        }),
      },
    },
  };
  Deno.lint.runPlugin(collect, path, source);
  return { path, imports: [...imports], hasCode, testNames };
}

function leavesCode(statement: Deno.lint.Statement): boolean {
  if (statement.type !== "ExportNamedDeclaration") return !CODELESS.has(statement.type);
  const declaration = statement.declaration;
  return declaration !== null && declaration !== undefined && !CODELESS.has(declaration.type);
}

function isDenoTest(callee: Deno.lint.Node): boolean {
  return callee.type === "MemberExpression" && callee.object.type === "Identifier" &&
    callee.object.name === "Deno" && callee.property.type === "Identifier" && callee.property.name === "test";
}

function nameOf(argument: Deno.lint.Node | undefined): string | undefined {
  if (argument?.type === "ObjectExpression") {
    for (const property of argument.properties) {
      if (property.type !== "Property" || property.key.type !== "Identifier") continue;
      if (property.key.name === "name") return nameOf(property.value);
    }
  }
  if (argument?.type === "Literal" && typeof argument.value === "string") return argument.value;
  if (argument?.type === "TemplateLiteral") return argument.quasis.map((quasi) => quasi.cooked).join("X");
  return undefined;
}
