/**
 * Writes the `*.gen.ts` files: what has to reach an edge without a file system.
 * The plain files beside them are the source.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import type { Migration } from "../../src/db/schema_version.ts";

const ROOT = join(import.meta.dirname ?? ".", "../..");

/** Every generated file, as it must be: its path from the root, and its text. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ["src/db/migrations.gen.ts", migrations()],
    ["src/web/assets.gen.ts", assets()],
  ]);
}

/** The migrations as the files have them, also before they are generated. */
export function readMigrations(): readonly Migration[] {
  return readdirSync(join(ROOT, "migrations")).sort().map((file) => {
    const match = /^(\d{4})_([a-z0-9_]+)\.sql$/.exec(file);
    if (match === null) {
      throw new Error(
        `Cannot generate: migrations/${file} must be named 0001_what_it_does.sql`,
      );
    }
    // A checkout with other line ends is still the same migration.
    const sql = readFileSync(join(ROOT, "migrations", file), "utf8")
      .replaceAll("\r\n", "\n");
    const version = Number(match[1]);
    const compatible = /^-- Compatible from: (\d+)$/m.exec(sql)?.[1];
    return {
      version,
      name: String(match[2]),
      checksum: createHash("sha256").update(sql).digest("hex"),
      compatibleFrom: Number(compatible ?? Math.max(version - 1, 1)),
      sql,
    };
  });
}

function migrations(): string {
  const entries = readMigrations().map((step) =>
    `  {
    version: ${step.version},
    name: ${JSON.stringify(step.name)},
    checksum: "${step.checksum}",
    compatibleFrom: ${step.compatibleFrom},
    sql: ${literal(step.sql)},
  },`
  );
  return `// Written by "deno task build" from migrations/*.sql. Do not edit.
import type { Migration } from "./schema_version.ts";

/** All migrations, in order. */
export const MIGRATIONS: readonly Migration[] = [
${entries.join("\n")}
];
`;
}

/** Files that browsers get: ours, and htmx as its makers minified it. */
function assets(): string {
  const folder = join(ROOT, "src/web/assets");
  const ours = readdirSync(folder).filter((file) => extname(file) in TYPES)
    .map((name) => ({ name, path: join(folder, name) }));
  const htmx = join(ROOT, "node_modules/htmx.org/dist/htmx.min.js");
  const entries = [...ours, { name: "htmx.js", path: htmx }]
    .sort((a, b) => a.name < b.name ? -1 : 1)
    .map(({ name, path }) => {
      // A map that is not served would be asked for in vain.
      const text = readFileSync(path, "utf8")
        .replace(/\n\/\/# sourceMappingURL=\S+\s*$/, "\n");
      const hash = createHash("sha256").update(text).digest("hex").slice(0, 8);
      const extension = extname(name);
      return {
        name,
        file: `${basename(name, extension)}.${hash}${extension}`,
        type: String(TYPES[extension]),
        text,
      };
    });
  return `// Written by "deno task build" from src/web/assets. Do not edit.

/** All files that are served, by name. */
export const ASSETS: readonly {
  readonly name: ${entries.map(({ name }) => JSON.stringify(name)).join(" | ")};
  readonly file: string;
  readonly type: string;
  readonly text: string;
}[] = [
${
    entries.map(({ name, file, type, text }) =>
      `  {
    name: ${JSON.stringify(name)},
    file: ${JSON.stringify(file)},
    type: ${JSON.stringify(type)},
    text: ${literal(text)},
  },`
    ).join("\n")
  }
];
`;
}

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

function literal(text: string): string {
  return "`" + text.replaceAll(/[\\`]|\$\{/g, "\\$&") + "`";
}

if (import.meta.main) {
  for (const [path, text] of generatedFiles()) {
    writeFileSync(join(ROOT, path), text);
    console.log(`Wrote ${path}`);
  }
}
