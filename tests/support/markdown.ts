/** The pages of the repository as data, for tests that hold what they say. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { ROOT } from "./sources.ts";

/** A page, with what a test asks about it. */
export interface Page {
  /** From the root, such as `docs/quickstart.md`. */
  readonly path: string;
  readonly text: string;
  /** The text without its blocks of code. */
  readonly prose: string;
  readonly blocks: readonly Block[];
  readonly links: readonly Link[];
  /** As a link names them: `how-it-works`. */
  readonly anchors: readonly string[];
}

/** A fenced block of code. */
export interface Block {
  readonly path: string;
  /** Of its fence; the code starts one below. */
  readonly line: number;
  /** What stands behind the fence, such as `ts host`. */
  readonly kind: string;
  readonly code: string;
}

/** A link or an image. */
export interface Link {
  readonly line: number;
  readonly image: boolean;
  /** As it is written. */
  readonly target: string;
  /** From the root, if it names a file of ours; `""` is the root itself. */
  readonly file: string | null;
  /** Behind the `#`, if there is one. */
  readonly anchor: string | null;
}

/** README, CHANGELOG, CONTRIBUTING, everything in `docs` and beside examples. */
export function readPages(): Page[] {
  return [
    ...["README.md", "CHANGELOG.md", "CONTRIBUTING.md"],
    ...pagesBelow("docs"),
    ...pagesBelow("examples"),
  ].map((path) => pageOf(path, readFileSync(join(ROOT, path), "utf8")));
}

function pagesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .sort((a, b) => a.name < b.name ? -1 : 1)
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return pagesBelow(path);
      return entry.name.endsWith(".md") ? [path] : [];
    });
}

/** Reads one page. */
export function pageOf(path: string, text: string): Page {
  const blocks: Block[] = [];
  const prose: string[] = [];
  let open: { readonly line: number; readonly kind: string } | null = null;
  let code: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const fence = /^(\s*)(`{3,}|~{3,})(.*)$/.exec(line);
    if (fence === null) {
      (open === null ? prose : code).push(line);
      if (open !== null) prose.push("");
      continue;
    }
    prose.push("");
    if (open === null) {
      open = { line: index + 1, kind: (fence[3] ?? "").trim() };
      code = [];
    } else {
      blocks.push({ path, ...open, code: code.join("\n") });
      open = null;
    }
  }
  if (open !== null) throw new Error(`${path}:${open.line}: no end of block`);
  const plain = prose.join("\n");
  return {
    path,
    text,
    prose: plain,
    blocks,
    links: linksOf(path, plain),
    anchors: anchorsOf(plain),
  };
}

function linksOf(path: string, prose: string): Link[] {
  // A link may be broken over two lines, but what is in code is none.
  const text = prose.replaceAll(/`[^`]*`/g, (code) => "x".repeat(code.length));
  return [...text.matchAll(/(!?)\[[^\]]*\]\(\s*([^)\s]+)\s*\)/g)].map(
    (match) => {
      const target = match[2] ?? "";
      const line = text.slice(0, match.index).split("\n").length;
      const [file = "", anchor = null] = target.split("#");
      const outside = /^[a-z]+:/.test(target);
      const resolved = file === "" ? path : normalize(
        join(dirname(path), file),
      ).replace(/\/$/, "");
      return {
        line,
        image: match[1] === "!",
        target,
        file: outside ? null : resolved,
        anchor,
      };
    },
  );
}

function anchorsOf(prose: string): string[] {
  return [...prose.matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] ?? "").toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .trim().replaceAll(" ", "-")
  );
}
