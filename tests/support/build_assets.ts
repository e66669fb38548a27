import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname ?? ".", "../..");
const ASSETS = join(ROOT, "src/web/assets");

const TYPES = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
} as const;

/** The text of `src/web/assets.gen.ts`: what a browser needs, by content hash. */
export function assetsModule(): string {
  const files = [
    ["app.css", smallCss(`${source("app.css")}\n${source("evidence.css")}`)],
    ["app.js", `${htmx()}\n${smallJs(source("app.js"))}`],
    ["icons.svg", source("icons.svg")],
    ["mark.svg", source("mark.svg")],
  ] as const;
  const entries = files.map(([name, text]) => {
    const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
    const [stem, extension] = name.split(".");
    return `  {
    name: "${name}",
    file: "${stem}.${hash}.${extension}",
    type: "${TYPES[extension as keyof typeof TYPES]}",
    text: ${literal(text)},
  },`;
  });
  return `// Written by "deno task build" from src/web/assets and htmx. Do not edit.
/** What a browser needs, each named by the hash of its content. */
export const ASSETS = [
${entries.join("\n")}
] as const;
`;
}

/** htmx as its authors built it, with where it comes from. */
function htmx(): string {
  const module = join(ROOT, "node_modules/htmx.org");
  const { version } = JSON.parse(
    readFileSync(join(module, "package.json"), "utf8"),
  );
  const text = readFileSync(join(module, "dist/htmx.min.js"), "utf8")
    .replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "");
  return `/* htmx ${version}, https://htmx.org, Zero-Clause BSD */\n${text}`;
}

function source(name: string): string {
  return readFileSync(join(ASSETS, name), "utf8").replaceAll("\r\n", "\n");
}

/** Only what can not change a meaning: comments and the space between tokens. */
function smallCss(css: string): string {
  return css
    .replaceAll(/\/\*[\s\S]*?\*\//g, "")
    .replaceAll(/\s+/g, " ")
    .replaceAll(/\s*([{};,])\s*/g, "$1")
    .replaceAll(/;}/g, "}")
    .replaceAll(/([a-z-]): /g, "$1:")
    .trim() + "\n";
}

/** Whole-line comments and the margin; everything else stays as it is written. */
function smallJs(js: string): string {
  return js
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !/^(\/\/|\/\*\*.*\*\/$)/.test(line))
    .join("\n") + "\n";
}

function literal(text: string): string {
  return "`" + text.replaceAll(/[\\`]|\$\{/g, "\\$&") + "`";
}
