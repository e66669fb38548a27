import { SchemaVersionError } from "../errors.ts";

/** One step of the schema. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  /** SHA-256 of the file, in hex. */
  readonly checksum: string;
  /**
   * The oldest code, by the version of its own schema, that still works once
   * this has run. Expand first, contract one release later: it is the version
   * before, unless the file has a line `-- Compatible from: N`.
   */
  readonly compatibleFrom: number;
  /**
   * Code that knows it can not do without it: a line `-- Needed by its code`. Code
   * of before works with it all the same.
   */
  readonly needed?: boolean;
  readonly sql: string;
}

/** A row of `schema_migrations`. */
export interface AppliedMigration {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly compatibleFrom: number;
  readonly appliedAt: Date;
}

/** What the ledger says, compared with what this code knows. */
export interface SchemaComparison {
  /** `newer` still works if the code is not too old for it; so does `older`. */
  readonly state: "missing" | "older" | "current" | "newer" | "changed";
  /** Whether this code can run on that schema. */
  readonly works: boolean;
  /** The version of the database; 0 if there is none. */
  readonly version: number;
  /** The version that this code was written for. */
  readonly target: number;
  readonly pending: readonly Migration[];
  /** What is, what must be, what to do. Empty if there is nothing to say. */
  readonly message: string;
}

/**
 * Compares the ledger of a database with the migrations of this code.
 *
 * Processes are replaced one by one, so for a while old code meets the new
 * schema, and new code the old one. A schema one version older or newer works;
 * the migration itself says when that is not so.
 */
export function compareSchema(
  schema: string,
  { applied, known }: {
    readonly applied: readonly AppliedMigration[];
    readonly known: readonly Migration[];
  },
): SchemaComparison {
  const target = known.at(-1)?.version ?? 0;
  const version = Math.max(0, ...applied.map((row) => row.version));
  const ledger = new Map(applied.map((row) => [row.version, row]));
  const pending = known.filter((step) => !ledger.has(step.version));
  const facts = { version, target, pending };
  const where = `the schema "${schema}"`;

  const changed = known.find((step) => {
    const row = ledger.get(step.version);
    return row ? row.checksum !== step.checksum : step.version < version;
  });
  if (changed) {
    const row = ledger.get(changed.version);
    const is = row ? `with checksum ${row.checksum.slice(0, 12)}` : "never";
    return {
      ...facts,
      state: "changed",
      works: false,
      message: `${where} has migration ${changed.version} "${changed.name}" ` +
        `applied ${is}, and it must be ${changed.checksum.slice(0, 12)}; ` +
        `install the release that migrated it, or restore the file`,
    };
  }
  if (version === 0) {
    return {
      ...facts,
      state: "missing",
      works: false,
      message: `${where} is empty and must be at version ${target}; ` +
        `run "yardmaster migrate up" or await yard.migrate()`,
    };
  }
  if (version < target) {
    const message = `${where} is at version ${version} and must be at ` +
      `version ${target}; run "yardmaster migrate up" or await yard.migrate()`;
    const works = version >= (known.at(-1)?.compatibleFrom ?? target) &&
      !pending.some((step) => step.needed);
    return { ...facts, state: "older", works, message };
  }
  if (version > target) {
    const oldest = Math.max(...applied.map((row) => row.compatibleFrom));
    const message = `${where} is at version ${version} and must be at ` +
      `version ${target} or one that works with it (${oldest} or newer code ` +
      `is needed); install the release that migrated it`;
    return { ...facts, state: "newer", works: target >= oldest, message };
  }
  return { ...facts, state: "current", works: true, message: "" };
}

/** @throws {SchemaVersionError} If this code can not run on that schema. */
export function mustWork(
  comparison: SchemaComparison,
  action: "enqueue" | "forget" | "migrate" | "set a cron entry" | "start",
): void {
  if (comparison.works) return;
  throw new SchemaVersionError(`Cannot ${action}: ${comparison.message}`, {
    version: comparison.version,
    target: comparison.target,
  });
}
