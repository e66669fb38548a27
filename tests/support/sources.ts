/** Our own code as data, for tests that hold the house rules. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export const ROOT = join(import.meta.dirname ?? ".", "../..");

/** What the rules ask about one file. */
export interface SourceFile {
  /** From the root, such as `src/db/sql.ts`. */
  readonly path: string;
  readonly text: string;
  readonly lineCount: number;
  readonly imports: readonly Import[];
  readonly functions: readonly FunctionFact[];
  /** Such as `Deno.env` or `process.exit`, with the line. */
  readonly members: readonly { readonly name: string; readonly line: number }[];
  /** Names that this file gives to something. */
  readonly names: readonly { readonly name: string; readonly line: number }[];
  readonly templates: readonly Template[];
  readonly defaultExports: readonly number[];
  readonly nonNullAssertions: readonly number[];
  /** Statements that run when the file is imported. */
  readonly sideEffects: readonly number[];
}

/** What a file takes from another. */
export interface Import {
  /** As it is written. */
  readonly specifier: string;
  /** From the root, if it is a file of ours. */
  readonly path: string | null;
  /** `export * from …`. */
  readonly everything: boolean;
  readonly line: number;
}

/** Where something stands in its file. */
export interface Span {
  readonly start: number;
  readonly end: number;
  readonly line: number;
  readonly lineCount: number;
}

/** A function, however it is written. */
export interface FunctionFact extends Span {
  readonly name: string;
  /** Their names; of a destructured one, `{}`. */
  readonly parameters: readonly string[];
  readonly exported: boolean;
}

/** A tagged template, as its pieces. */
export interface Template extends Span {
  readonly tag: string;
  readonly pieces: readonly string[];
}

/** All files below the folders, and generated ones only when asked for. */
export function readSources(...folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) => filesBelow(folder))
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".gen.ts"))
    .map(readSource);
}

/** Paths from the root, in order; one file is itself. */
export function filesBelow(folder: string): string[] {
  if (/\.\w+$/.test(folder)) return [folder];
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .sort((a, b) => a.name < b.name ? -1 : 1)
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.name === "node_modules") return [];
      return entry.isDirectory() ? filesBelow(path) : [path];
    });
}

// Its shape is the concern of the linter; here every node has a range.
// deno-lint-ignore no-explicit-any
type Node = any;

type Facts = Omit<Mutable<SourceFile>, "path" | "text" | "lineCount">;
type Mutable<T> = {
  -readonly [Key in keyof T]: T[Key] extends readonly (infer Item)[] ? Item[]
    : T[Key];
};

function readSource(path: string): SourceFile {
  return sourceOf(path, readFileSync(join(ROOT, path), "utf8"));
}

/** The same of a text that is in no file: for tests of the rules themselves. */
export function sourceOf(path: string, text: string): SourceFile {
  const facts: Facts = {
    imports: [],
    functions: [],
    members: [],
    names: [],
    templates: [],
    defaultExports: [],
    nonNullAssertions: [],
    sideEffects: [],
  };
  const rules = { facts: { create: () => collect(facts, { path, text }) } };
  Deno.lint.runPlugin({ name: "facts", rules }, path, text);
  return { path, text, lineCount: text.split("\n").length - 1, ...facts };
}

interface Place {
  readonly path: string;
  readonly text: string;
}

function collect(facts: Facts, place: Place): Deno.lint.LintVisitor {
  const lineOf = (node: Node) => spanOf(node, place).line;
  function addImport(node: Node): void {
    if (typeof node.source?.value !== "string") return;
    facts.imports.push(importOf(node, place));
  }
  function addFunction(node: Node): void {
    facts.functions.push(functionOf(node, place));
    addName(node.id);
  }
  function addName(node: Node): void {
    if (node?.type !== "Identifier") return;
    facts.names.push({ name: node.name, line: lineOf(node) });
  }
  function addMember(node: Node): void {
    if (node.object.type !== "Identifier") return;
    const name = `${node.object.name}.${node.property.name}`;
    facts.members.push({ name, line: lineOf(node) });
  }

  return {
    ...each(["ImportDeclaration", "ImportExpression"], addImport),
    ...each(["ExportNamedDeclaration", "ExportAllDeclaration"], addImport),
    ...each(["FunctionDeclaration", "FunctionExpression"], addFunction),
    ...each(["ArrowFunctionExpression"], addFunction),
    ...each(["ClassDeclaration", "TSInterfaceDeclaration"], (node) => {
      addName(node.id);
    }),
    ...each(["TSTypeAliasDeclaration", "VariableDeclarator"], (node) => {
      addName(node.id);
    }),
    ...each(["PropertyDefinition", "TSPropertySignature"], (node) => {
      addName(node.key);
    }),
    ...each(["MemberExpression"], addMember),
    ...each(["TaggedTemplateExpression"], (node) => {
      facts.templates.push(templateOf(node, place));
    }),
    ...each(["ExportDefaultDeclaration"], (node) => {
      facts.defaultExports.push(lineOf(node));
    }),
    ...each(["TSNonNullExpression"], (node) => {
      facts.nonNullAssertions.push(lineOf(node));
    }),
    ...each(["Program > ExpressionStatement"], (node) => {
      facts.sideEffects.push(lineOf(node));
    }),
  };
}

function importOf(node: Node, place: Place): Import {
  const specifier: string = node.source.value;
  const path = specifier.startsWith(".")
    ? normalize(join(dirname(place.path), specifier))
    : null;
  const everything = node.type === "ExportAllDeclaration";
  return { specifier, path, everything, line: spanOf(node, place).line };
}

function functionOf(node: Node, place: Place): FunctionFact {
  const { parent } = node;
  return {
    name: node.id?.name ?? parent?.id?.name ?? parent?.key?.name ??
      "an unnamed function",
    parameters: node.params.map((each: Node) => String(each.name ?? "{}")),
    exported: parent?.type === "ExportNamedDeclaration",
    ...spanOf(node, place),
  };
}

function templateOf(node: Node, place: Place): Template {
  return {
    tag: node.tag.name ?? "",
    pieces: node.quasi.quasis.map((piece: Node) => String(piece.raw)),
    ...spanOf(node, place),
  };
}

function spanOf(node: Node, { text }: Place): Span {
  const [start, end] = node.range as [number, number];
  return {
    start,
    end,
    line: text.slice(0, start).split("\n").length,
    lineCount: text.slice(start, end).split("\n").length,
  };
}

function each(
  types: readonly string[],
  add: (node: Node) => void,
): Deno.lint.LintVisitor {
  return Object.fromEntries(types.map((type) => [type, add]));
}
