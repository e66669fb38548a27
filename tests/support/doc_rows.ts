/** Rows for the tables of `docs/`, read from what stands in the code. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ADVICE } from "../../src/option_advice.ts";
import { ROOT } from "./sources.ts";

/** The cells of a row. */
export type Row = readonly string[];

/** A table of Markdown, which the formatter pads. */
export function table(head: Row, rows: readonly Row[]): string {
  const line = (cells: Row) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)]
    .join("\n");
}

/** As code in a cell. */
export function code(text: string): string {
  return `\`${text}\``;
}

/** Read from the file itself, where each is told once. */
export function errorRows(): Row[] {
  const pattern =
    /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport class (\w+) extends Error \{[\s\S]*?readonly code(.*);/g;
  return [...source("src/errors.ts").matchAll(pattern)].map((
    [, says = "", name = "", known = ""],
  ) => {
    const codes = [...known.matchAll(/\w+(?=")/g)].map(([each]) => code(each));
    return [code(name), codes.join(" or "), oneLine(says)];
  });
}

/** What stands above each member of an interface, in order. */
function membersOf(path: string, name: string): Map<string, string> {
  const [, rest = ""] = source(path).split(new RegExp(`interface ${name}\\b`));
  const [body = ""] = rest.split("\n}");
  const pattern =
    /(?: {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)? {2}readonly (\w+)\??:/g;
  return new Map(
    [...body.matchAll(pattern)].map(([, says = "", key = ""]) => [
      key,
      oneLine(says).replaceAll(/\{@linkcode (\w+)\}/g, "`$1`"),
    ]),
  );
}

function oneLine(comment: string): string {
  return comment.replaceAll(/\n +\* ?/g, " ").trim();
}

/** A row for each member of an interface, which says what it is. */
export function memberRows(path: string, name: string): Row[] {
  return [...membersOf(path, name)].map(([key, says]) => {
    if (says === "") throw new Error(`${path}: say what "${key}" is`);
    return [code(key), says];
  });
}

/** A row for each option of a host. */
export function optionRows(): Row[] {
  const told = membersOf("src/options.ts", "YardmasterOptions");
  return Object.entries(ADVICE).map(([key, { needed }]) => {
    const says = told.get(key);
    if (says === undefined) {
      throw new Error(`Say what "${key}" is, above it in src/options.ts`);
    }
    return [code(key), needed, says];
  });
}

/** A row for each event, with its facts. */
export function eventRows(): Row[] {
  const [union = ""] = source("src/events.ts").split("/** How a run ended");
  const pattern =
    /(?:\/\*\* (.*?) \*\/\n)?\s*\| \{([\s\S]*?)\n? *\}(?=\n {2}(?:\||\/)|;\n)/g;
  return [...union.matchAll(pattern)].map(([, says = "", body = ""]) => {
    const name = /readonly type: "(\w+)"/.exec(body)?.[1] ?? "";
    const facts = [...body.matchAll(/readonly (\w+)\??:/g)]
      .flatMap(([, fact = ""]) => fact === "type" ? [] : [code(fact)]);
    return [code(name), facts.join(", "), says];
  });
}

/** A line for each decision. */
export function decisionRows(): string[] {
  return readdirSync(join(ROOT, "docs/decisions")).sort()
    .filter((name) => /^\d{4}-.*\.md$/.test(name))
    .map((name) => {
      const [title = ""] = source(`docs/decisions/${name}`).split("\n");
      return `- [${title.replace("# ", "")}](${name})`;
    });
}

function source(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}
