/**
 * Writes the `*.gen.ts` files: what has to reach an edge without a file system.
 * The plain files beside them are the source.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Migration } from "../../src/db/schema_version.ts";
import { assetsModule } from "./build_assets.ts";

const ROOT = join(import.meta.dirname ?? ".", "../..");

/** Every generated file, as it must be: its path from the root, and its text. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ["src/db/migrations.gen.ts", migrations()],
    ["src/web/assets.gen.ts", assetsModule()],
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
      needed: /^-- Needed by its code$/m.test(sql),
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
    needed: ${step.needed ?? false},
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

function literal(text: string): string {
  return "`" + text.replaceAll(/[\\`]|\$\{/g, "\\$&") + "`";
}

if (import.meta.main) {
  for (const [path, text] of generatedFiles()) {
    writeFileSync(join(ROOT, path), text);
    console.log(`Wrote ${path}`);
  }
}
