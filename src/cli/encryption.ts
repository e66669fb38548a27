import { readFile, stat } from "node:fs/promises";
import {
  type EncryptionStatus,
  encryptionStatus,
  type KeyUse,
  reencrypt,
  type Reencryption,
} from "../control/encryption.ts";
import type { Database } from "../db/database.ts";
import { requireSchema } from "../db/migrate.ts";
import {
  type EncryptionKeys,
  keyProblems,
  KeyRing,
} from "../domain/key_ring.ts";
import { UsageError } from "./flags.ts";
import type { Report } from "./report.ts";

/** Counts what is encrypted, by key. With a file of keys it tells who is known. */
export async function showEncryption(
  db: Database,
  own: ReadonlyMap<string, string>,
): Promise<Report> {
  const file = own.get("--keys");
  const keys = file === undefined ? null : await readKeys(file);
  await requireSchema(db);
  const status = await encryptionStatus(db, keys?.ring ?? null);
  return {
    exit: 0,
    lines: [...statusLines(status), ...keys?.notes ?? []],
    json: { schema_version: 1, ...status, notes: keys?.notes ?? [] },
  };
}

function statusLines({ current, keys }: EncryptionStatus): string[] {
  if (keys.length === 0) return ["Nothing is encrypted."];
  return [
    ...current === null ? [] : [`Encrypts with key ${current}.`],
    ...keys.map((use) => useLine(use, current)),
  ];
}

function useLine(
  use: KeyUse,
  current: string | null,
): string {
  const { key, known } = use;
  const name = key === "" ? "Not readable" : `Key ${key}`;
  const mark = current === null || key === ""
    ? ""
    : key === current
    ? " (current)"
    : known
    ? " (to be encrypted again)"
    : " (not among the keys)";
  return `${name}: ${counted(use)}${mark}`;
}

function counted(
  { jobs, cronEntries, outputs }: Pick<
    KeyUse,
    "jobs" | "cronEntries" | "outputs"
  >,
): string {
  return `${jobs} ${jobs === 1 ? "job" : "jobs"}, ${cronEntries} ` +
    `${cronEntries === 1 ? "cron entry" : "cron entries"}, ${outputs} ` +
    (outputs === 1 ? "output" : "outputs");
}

/** Encrypts with the current key what another one encrypted. */
export async function encryptAgain(
  db: Database,
  own: ReadonlyMap<string, string>,
): Promise<Report> {
  const file = own.get("--keys");
  if (file === undefined) {
    throw new UsageError(`"encryption reencrypt" needs --keys FILE`);
  }
  const { ring, notes } = await readKeys(file);
  await requireSchema(db);
  const done = await reencrypt(db, { ring });
  const left = done.skipped + done.unreadable;
  return {
    exit: left === 0 ? 0 : 1,
    lines: [...doneLines(done, ring), ...notes],
    json: { schema_version: 1, current: ring.current, ...done, notes },
  };
}

function doneLines(done: Reencryption, ring: KeyRing): string[] {
  const { skipped, unreadable } = done;
  return [
    `Encrypted again with key ${ring.current}: ${counted(done)}.`,
    ...skipped === 0 ? [] : [
      `Held or changed meanwhile: ${skipped}. Run the command again.`,
    ],
    ...unreadable === 0 ? [] : [
      `Can not be decrypted with these keys: ${unreadable}. See which with ` +
      `"encryption status".`,
    ],
  ];
}

/** Reads keys. Nothing of the file is repeated, whatever is wrong with it. */
async function readKeys(
  path: string,
): Promise<{ readonly ring: KeyRing; readonly notes: readonly string[] }> {
  let keys: unknown;
  try {
    keys = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    const why = error instanceof SyntaxError ? "is no JSON" : "can not be read";
    throw new UsageError(`--keys names a file that ${why}`);
  }
  const problems = keyProblems(keys).map(({ path, message }) =>
    `${path} ${message}`
  );
  if (problems.length > 0) {
    throw new UsageError(
      `--keys must name a file such as { "current": "2026-11", "keys": ` +
        `{ "2026-11": "…" } }: ${problems.join("; ")}`,
    );
  }
  const ring = new KeyRing(
    keys as EncryptionKeys,
    (length) => crypto.getRandomValues(new Uint8Array(length)),
  );
  // Where secrets are mounted this is often so, and not in our hands.
  const { mode } = await stat(path);
  const notes = (mode & 0o004) === 0
    ? []
    : ["Note: everybody on this machine may read the file of keys."];
  return { ring, notes };
}
