#!/usr/bin/env node
/**
 * The command line: `migrate up`, `migrate status`, `migrate plan`,
 * `audit verify`, `limiter explain`, `limiter simulate`, `encryption status`,
 * `encryption reencrypt` and `explain`. It runs on Deno, Node and Bun.
 *
 * @module
 */
import { realpathSync } from "node:fs";
import process from "node:process";
import { pathToFileURL } from "node:url";
import type { Database } from "../db/database.ts";
import { showAuditVerdict } from "./audit.ts";
import { connect } from "./connect.ts";
import { encryptAgain, showEncryption } from "./encryption.ts";
import { showExplanation } from "./explain.ts";
import { explainLimiter, simulateLimiter } from "./limiter.ts";
import { type Flags, readFlags, UsageError } from "./flags.ts";
import {
  migrateUp,
  showMigrationPlan,
  showMigrationStatus,
} from "./migrate.ts";
import { type Report, withoutSecrets } from "./report.ts";

/** What a command line is run with; a test brings its own. */
export interface CliIo {
  /** Where `DATABASE_URL` is looked for if there is no `--database-url`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Prints one line of the report, without its end: for `stdout`. */
  out(line: string): void;
  /**
   * Prints one line about what went wrong: for `stderr`. It has no password.
   */
  err(line: string): void;
}

/**
 * How a run ended. 0: as it must be. 1: something was found, such as a pending
 * migration, a broken audit or a job that somebody must act for. 2: it could not run, or was not understood.
 */
export type ExitCode = 0 | 1 | 2;

const COMMANDS: Readonly<
  Record<string, (db: Database, flags: Flags) => Promise<Report>>
> = {
  "migrate up": (db) => migrateUp(db),
  "migrate status": (db) => showMigrationStatus(db),
  "migrate plan": (db) => showMigrationPlan(db),
  "audit verify": (db, flags) => showAuditVerdict(db, flags.anchor),
  "limiter explain": (db, flags) => explainLimiter(db, flags.own),
  "limiter simulate": (db, flags) => simulateLimiter(db, flags.own),
  "encryption status": (db, flags) => showEncryption(db, flags.own),
  "encryption reencrypt": (db, flags) => encryptAgain(db, flags.own),
  "explain": (db, flags) => showExplanation(db, flags.operand),
};

const HELP = `Usage: yardmaster <command> [flags]

Commands
  migrate up       Bring the schema to the version of this code
  migrate status   Say where the schema stands; exits with 1 if it must move
  migrate plan     Print the SQL that "migrate up" would run
  audit verify     Find any edited, removed, moved or inserted audit event
  limiter explain  Say how limiters stand, and what holds a job back now
  limiter simulate Try requests out on a limit, without a trace
  encryption status
                   Count what is encrypted, by key
  encryption reencrypt
                   Encrypt with the current key what another one encrypted
  explain JOB      Say why a job is not running; exits with 1 if somebody must act

Flags
  --database-url   postgres://user:password@host:5432/name
                   The environment variable DATABASE_URL if left out
  --data-dir       A folder of PGlite, which no process has open
  --schema         The schema of the tables; yardmaster if left out
  --anchor         For "audit verify": a head that was kept elsewhere
  --limiter        For "limiter …": its name; --key for one of its keys
  --worker         For "limiter explain": with --args, all limiters of a job
  --weight         For "limiter …": what one request takes; 1 if left out
  --capacity       For "limiter simulate", as --per-ms and --algorithm: instead
                   of what is declared
  --count          For "limiter simulate": so many requests, one each --every-ms
  --replay         For "limiter simulate": a worker, whose newest jobs are tried
  --keys           For "encryption …": a file of JSON with current and keys, as
                   the option encryption has them
  --json           Print one line of JSON
  --help           Print this

Exit codes
  0  as it must be
  1  something was found, such as a pending migration, a broken audit or a job
     that somebody must act for
  2  it could not run, or a flag was not understood`;

/** Runs a command line, and never throws. Prints no password. */
export async function main(
  args: readonly string[],
  io: CliIo,
): Promise<ExitCode> {
  let json = args.includes("--json");
  try {
    const flags = readFlags(args, Object.keys(COMMANDS));
    json = flags.json;
    if (flags.help) {
      io.out(HELP);
      return 0;
    }
    const report = await run(flags, io);
    if (json) {
      const ok = report.exit === 0;
      const { command } = flags;
      io.out(JSON.stringify({ format: 1, command, ok, ...report.json }));
    } else for (const line of report.lines) io.out(line);
    return report.exit;
  } catch (error) {
    const usage = error instanceof UsageError;
    // Only here: what a report tells has never seen an address.
    const message = withoutSecrets(explained(error), { args, env: io.env });
    if (json) {
      const code = usage ? error.code : codeOf(error);
      const fault = { code, message };
      io.out(JSON.stringify({ format: 1, ok: false, error: fault }));
    }
    io.err(usage ? `${message}\nSee: yardmaster --help` : message);
    return 2;
  }
}

async function run(flags: Flags, io: CliIo): Promise<Report> {
  const command = COMMANDS[flags.command];
  if (command === undefined) throw new UsageError("A command is missing");
  const connection = await connect(flags, io.env);
  try {
    return await command(connection.db, flags);
  } finally {
    await connection.close();
  }
}

/** What went wrong, with what was behind it. Drivers leave the message blank. */
function explained(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error instanceof AggregateError ? error.errors : [error.cause];
  const parts = [error.message, ...inner.map(messageOf)];
  const text = parts.filter((part) => part !== "").join(": ");
  return text === "" ? `${error.name} ${codeOf(error) ?? ""}`.trim() : text;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "";
}

function codeOf(error: unknown): string | null {
  return typeof error === "object" && error !== null && "code" in error
    ? String(error.code)
    : null;
}

/** Node knows `import.meta.main` only from version 24 on. */
function isMain(): boolean {
  const main: unknown = import.meta.main;
  if (typeof main === "boolean") return main;
  const script = process.argv[1];
  if (script === undefined) return false;
  try {
    return pathToFileURL(realpathSync(script)).href === import.meta.url;
  } catch {
    return false;
  }
}

if (isMain()) {
  process.exitCode = await main(process.argv.slice(2), {
    env: process.env,
    out: (line) => console.log(line),
    err: (line) => console.error(line),
  });
}
