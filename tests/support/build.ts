/**
 * Writes the `*.gen.ts` files: what has to reach an edge without a file system.
 * The plain files beside them are the source.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname ?? ".", "../..");

/** Every generated file, as it must be: its path from the root, and its text. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ["src/db/migrations.gen.ts", migrations()],
  ]);
}

function migrations(): string {
  const entries = readdirSync(join(ROOT, "migrations")).sort().map((file) => {
    const match = /^(\d{4})_([a-z0-9_]+)\.sql$/.exec(file);
    if (match === null) {
      throw new Error(
        `Cannot generate: migrations/${file} must be named 0001_what_it_does.sql`,
      );
    }
    // A checkout with other line ends is still the same migration.
    const text = readFileSync(join(ROOT, "migrations", file), "utf8")
      .replaceAll("\r\n", "\n");
    const version = Number(match[1]);
    const compatible = /^-- Compatible from: (\d+)$/m.exec(text)?.[1];
    return `  {
    version: ${version},
    name: ${JSON.stringify(match[2])},
    checksum: "${createHash("sha256").update(text).digest("hex")}",
    compatibleFrom: ${compatible ?? Math.max(version - 1, 1)},
    sql: ${literal(text)},
  },`;
  });
  return `// Written by "deno task build" from migrations/*.sql. Do not edit.
import type { Migration } from "./schema_version.ts";

/** All migrations, in order. */
export const MIGRATIONS: readonly Migration[] = [
${entries.join("\n")}
];
`;
}

function literal(text: string): string {
  return "`" + text.replaceAll(/[\\`]|\$\{/g, "\\$&") + "`";
}

if (import.meta.main) {
  for (const [path, text] of generatedFiles()) {
    writeFileSync(join(ROOT, path), text);
    console.log(`Wrote ${path}`);
  }
}
