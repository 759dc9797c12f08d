/**
 * The project's own lint rules: layers, purity, confined powers, sizes. What they enforce is the data of
 * `layers.ts`; `layers_lint_test.ts` proves that each of them fires.
 *
 * @module
 */

import {
  CONFINED,
  type Confined,
  isProgram,
  isPure,
  layerFault,
  projectPath,
  purityFault,
} from "./layers.ts";

type Rule = Deno.lint.Rule;
type Context = Deno.lint.RuleContext;
type Node = Deno.lint.Node;
type Visitor = Deno.lint.LintVisitor;

const FILE_LINES_MAX = 300;
const FUNCTION_LINES_MAX = 70;

/** Globals that a pure file may not name at all. */
const IMPURE_GLOBALS: ReadonlySet<string> = new Set([
  "Buffer",
  "Deno",
  "alert",
  "confirm",
  "console",
  "crypto",
  "eval",
  "fetch",
  "globalThis",
  "localStorage",
  "navigator",
  "performance",
  "process",
  "prompt",
  "queueMicrotask",
  "requestAnimationFrame",
  "self",
  "sessionStorage",
  "setImmediate",
  "setInterval",
  "setTimeout",
  "window",
]);

/** Classes whose construction is an effect. Their names are free for types of our own. */
const IMPURE_CLASSES: ReadonlySet<string> = new Set([
  "BroadcastChannel",
  "EventSource",
  "FinalizationRegistry",
  "Function",
  "MessageChannel",
  "WeakRef",
  "WebSocket",
  "Worker",
]);

/** Members of harmless globals that are not: clock, randomness, timers, blocking. */
const IMPURE_MEMBERS: ReadonlySet<string> = new Set([
  "AbortSignal.timeout",
  "Atomics.wait",
  "Atomics.waitAsync",
  "Date.now",
  "Math.random",
  "Temporal.Now",
]);

/** Globals of which a pure file may use only what `IMPURE_MEMBERS` doesn't name, and never the object itself. */
const GUARDED_OBJECTS: ReadonlySet<string> = new Set(["Date", "Math"]);

/** A rule for the program's files that `applies` picks by their project path. */
function rule(applies: (path: string) => boolean, create: (context: Context, path: string) => Visitor): Rule {
  return {
    create(context) {
      const path = projectPath(context.filename);
      return applies(path) ? create(context, path) : {};
    },
  };
}

/** Calls `check` for every module that the file names: static, dynamic, re-exported, or imported as a type. */
function onImports(check: (specifier: string, node: Node) => void): Visitor {
  const visit = (node: Node, source: Node | null | undefined): void => {
    if (source?.type === "Literal" && typeof source.value === "string") check(source.value, node);
  };
  return {
    ImportDeclaration: (node) => visit(node, node.source),
    ExportAllDeclaration: (node) => visit(node, node.source),
    ExportNamedDeclaration: (node) => visit(node, node.source),
    ImportExpression: (node) => visit(node, node.source),
    "TSImportType > TSLiteralType > Literal": (node: Node) => visit(node, node),
  };
}

/** Whether an identifier stands for a value or type of that name, and not for a property, a key or a specifier. */
function isReference(node: Deno.lint.Identifier): boolean {
  const parent = node.parent as Node & { computed?: boolean; key?: Node; property?: Node; right?: Node };
  const isNode = (other: Node | undefined): boolean =>
    other?.range[0] === node.range[0] && other.range[1] === node.range[1];
  switch (parent.type) {
    case "MemberExpression":
      return parent.computed === true || !isNode(parent.property as Node);
    case "TSQualifiedName":
      return !isNode(parent.right as Node);
    case "ImportSpecifier":
    case "ExportSpecifier":
    case "TSEnumMember":
      return false;
    case "Property":
      return parent.computed === true || !isNode(parent.key as Node) || isNode(parent.value);
    default:
      return parent.computed === true || !isNode(parent.key as Node);
  }
}

/** The member's name in `object.name` or `object["name"]`; `undefined` when it is computed. */
function memberName(node: Deno.lint.MemberExpression): string | undefined {
  if (!node.computed) return node.property.type === "Identifier" ? node.property.name : undefined;
  return node.property.type === "Literal" ? String(node.property.value) : undefined;
}

/** Whether `Date` or `Math` is used there in a way that the other checks see through. */
function isHarmlessUse(parent: Node): boolean {
  if (parent.type === "BinaryExpression") return parent.operator === "instanceof";
  return parent.type === "MemberExpression" || parent.type === "NewExpression" ||
    parent.type.startsWith("TS");
}

function lineCount(text: string): number {
  return text.replace(/\n$/, "").split("\n").length;
}

const layers = rule(
  isProgram,
  (context, path) =>
    onImports((specifier, node) => {
      const fault = layerFault(path, specifier);
      if (fault !== undefined) context.report({ node, message: fault });
    }),
);

const purity = rule(isPure, (context, path) => {
  const report = (node: Node, what: string): void =>
    context.report({ node, message: `${what} in a pure file`, hint: "Take it as an argument" });
  return {
    ...onImports((specifier, node) => {
      const fault = purityFault(path, specifier);
      if (fault !== undefined) context.report({ node, message: fault });
    }),
    ImportExpression: (node) => report(node, "a dynamic import"),
    Identifier(node) {
      if (IMPURE_GLOBALS.has(node.name) && isReference(node)) report(node, node.name);
      if (!GUARDED_OBJECTS.has(node.name) || !isReference(node)) return;
      if (!isHarmlessUse(node.parent)) report(node, `${node.name} itself`);
    },
    MemberExpression(node) {
      if (node.object.type !== "Identifier") return;
      const name = memberName(node);
      const full = `${node.object.name}.${name}`;
      if (IMPURE_MEMBERS.has(full)) report(node, full);
      if (name === undefined && GUARDED_OBJECTS.has(node.object.name)) report(node, `${node.object.name}[…]`);
    },
    NewExpression(node) {
      if (node.callee.type !== "Identifier") return;
      if (IMPURE_CLASSES.has(node.callee.name)) report(node, `new ${node.callee.name}`);
      if (node.callee.name === "Date" && node.arguments.length === 0) report(node, "new Date()");
    },
  };
});

const confined = rule(isProgram, (context, path) => {
  const check = (found: string, node: Node, matches: (row: Confined) => boolean): void => {
    for (const row of CONFINED) {
      if (!matches(row) || (row.where !== undefined && path.startsWith(row.where))) continue;
      const place = row.where === undefined ? "nowhere in src" : `in ${row.where} alone`;
      context.report({ node, message: `${found} is allowed ${place}: ${row.why}` });
    }
  };
  return {
    ...onImports((specifier, node) => check(specifier, node, (row) => row.what === specifier)),
    MemberExpression(node) {
      if (node.object.type !== "Identifier" || node.object.name !== "Deno") return;
      const name = memberName(node);
      if (name === undefined) context.report({ node, message: "Deno[…] hides what is used" });
      else check(`Deno.${name}`, node, (row) => `Deno.${name}`.startsWith(row.what));
    },
    VariableDeclarator(node) {
      if (node.init?.type === "Identifier" && node.init.name === "Deno") {
        context.report({ node, message: "Deno under another name hides what is used" });
      }
    },
    Literal(node) {
      const value = node.value;
      if (typeof value !== "string" || node.parent.type.startsWith("Import")) return;
      check(`"${value}"`, node, (row) => row.what === value);
    },
  };
});

const fileLength = rule(isProgram, (context) => ({
  Program(node) {
    const lines = lineCount(context.sourceCode.text);
    if (lines <= FILE_LINES_MAX) return;
    context.report({
      range: [node.range[0], node.range[0] + 1],
      message: `${lines} lines in one file, at most ${FILE_LINES_MAX}`,
      hint: "Split it by reason to change",
    });
  },
}));

const functionLength = rule(isProgram, (context) => {
  const check = (node: Node, start: Node = node): void => {
    const lines = lineCount(context.sourceCode.getText(node));
    if (lines <= FUNCTION_LINES_MAX) return;
    context.report({
      range: [start.range[0], start.range[0] + 1],
      message: `${lines} lines in one function, at most ${FUNCTION_LINES_MAX}`,
    });
  };
  return { FunctionDeclaration: check, FunctionExpression: check, ArrowFunctionExpression: check };
});

const noAsAny: Rule = {
  create(context) {
    const check = (node: Deno.lint.TSAsExpression | Deno.lint.TSTypeAssertion): void => {
      if (node.typeAnnotation.type === "TSAnyKeyword") context.report({ node, message: "as any" });
    };
    return { TSAsExpression: check, TSTypeAssertion: check };
  },
};

const noConsole = rule(isProgram, (context) => ({
  Identifier(node) {
    if (node.name === "console") context.report({ node, message: "console: the log is src/observe/log.ts" });
  },
}));

const plugin: Deno.lint.Plugin = {
  name: "tidy",
  rules: {
    layers,
    purity,
    confined,
    "file-length": fileLength,
    "function-length": functionLength,
    "no-as-any": noAsAny,
    "no-console": noConsole,
  },
};

export default plugin;
