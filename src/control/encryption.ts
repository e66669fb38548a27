/** Which keys are in use, and how to move from one to another. */
import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import { isWhole } from "../domain/job.ts";
import type { KeyRing } from "../domain/key_ring.ts";
import {
  argsBinding,
  type Box,
  SEALED_KEY,
  sealedPartOf,
} from "../domain/sealed_args.ts";
import { outputBinding, sealedOutputPart } from "../domain/sealed_output.ts";
import { DecryptionError } from "../errors.ts";
import {
  beforeAll,
  countSealed,
  findSealed,
  reseal,
  type Resealed,
  SEALED_PLACES,
  type SealedPlace,
  type SealedRow,
} from "../store/sealed_parts.ts";

/** How much is encrypted with one key. */
export interface KeyUse {
  /** Its id; empty for what names no key, and so can not be decrypted. */
  readonly key: string;
  /** Whether this process has the key. */
  readonly known: boolean;
  /** Jobs with args that it encrypted. */
  readonly jobs: number;
  /** Cron entries with such args. */
  readonly cronEntries: number;
  /** Recorded outputs that it encrypted, until they are let go of. */
  readonly outputs: number;
}

/** Which keys are in use. */
export interface EncryptionStatus {
  /** The id of the key that encrypts; `null` without keys. */
  readonly current: string | null;
  /** By id. A key that is not among them can be removed everywhere. */
  readonly keys: readonly KeyUse[];
}

/** Counts what is encrypted, by key. Reads everything, a stretch at a time. */
export async function encryptionStatus(
  db: Database,
  ring: KeyRing | null,
): Promise<EncryptionStatus> {
  const counts = new Map<string, Record<SealedPlace, number>>();
  for (const place of SEALED_PLACES) {
    let after: string | null = beforeAll(place);
    while (after !== null) {
      const found: Awaited<ReturnType<typeof countSealed>> = await countSealed(
        db,
        { place, after },
      );
      for (const { key, count } of found.counts) {
        const known = counts.get(key) ??
          { jobs: 0, cron_entries: 0, outputs: 0 };
        known[place] += count;
        counts.set(key, known);
      }
      after = found.through;
    }
  }
  const keys = [...counts].sort(([left], [right]) => left < right ? -1 : 1);
  return {
    current: ring?.current ?? null,
    keys: keys.map(([key, { jobs, cron_entries: cronEntries, outputs }]) => ({
      key,
      known: ring?.knows(key) ?? false,
      jobs,
      cronEntries,
      outputs,
    })),
  };
}

/** How far to go at a time. */
export interface ReencryptOptions {
  /** Jobs, cron entries and outputs to change at most, from 1; else all. */
  readonly limit?: number;
  /** Stops between two batches. What was changed stays so. */
  readonly signal?: AbortSignal;
}

/** What a pass of re-encryption did. */
export interface Reencryption {
  /** Jobs whose args have the current key now. */
  readonly jobs: number;
  /** Cron entries whose args have it. */
  readonly cronEntries: number;
  /** Recorded outputs that have it. */
  readonly outputs: number;
  /** Held or changed by somebody else meanwhile: another pass finds them. */
  readonly skipped: number;
  /** Of keys that are not known here, or changed since they were encrypted. */
  readonly unreadable: number;
  /** Whether the pass came to the end. */
  readonly complete: boolean;
}

/**
 * Encrypts with the current key what another one encrypted, in batches of 100.
 * It may be stopped and begun again, and run beside workers and beside itself:
 * whoever reads meanwhile finds the one or the other.
 *
 * @throws {TypeError} If the limit is no whole number from 1.
 */
export async function reencrypt(
  db: Database,
  { ring, limit = Infinity, signal }: ReencryptOptions & {
    readonly ring: KeyRing;
  },
): Promise<Reencryption> {
  assert(
    limit === Infinity || isWhole(limit, { least: 1, most: 1e9 }),
    "limit is a whole number from 1",
  );
  const done = {
    jobs: 0,
    cronEntries: 0,
    outputs: 0,
    skipped: 0,
    unreadable: 0,
  };
  for (const place of SEALED_PLACES) {
    let after: string | null = beforeAll(place);
    while (after !== null) {
      const left = limit - done.jobs - done.cronEntries - done.outputs;
      if (left <= 0 || signal?.aborted) return { ...done, complete: false };
      const found: Awaited<ReturnType<typeof findSealed>> = await findSealed(
        db,
        { place, after, exceptKey: ring.current },
      );
      const rows = found.rows.slice(0, left);
      const parts = await resealedParts(rows, { place, ring });
      const changed = await reseal(db, { place, parts });
      done[place === "cron_entries" ? "cronEntries" : place] += changed;
      done.skipped += parts.length - changed;
      done.unreadable += rows.length - parts.length;
      after = rows.length < found.rows.length
        ? rows.at(-1)?.id ?? after
        : found.through;
    }
  }
  return { ...done, complete: true };
}

async function resealedParts(
  rows: readonly SealedRow[],
  { place, ring }: { readonly place: SealedPlace; readonly ring: KeyRing },
): Promise<Resealed[]> {
  const parts: Resealed[] = [];
  for (const row of rows) {
    const bound = boundPart(row, place);
    const box = bound === null ? null : await resealedBox(bound, ring);
    if (bound === null || box === null) continue;
    const becomes = { ...bound.part, ...box };
    parts.push({ id: row.id, was: row.part, becomes });
  }
  return parts;
}

interface BoundPart {
  readonly part: Box;
  /** What it can be decrypted for. */
  readonly binding: string;
}

/** An encrypted part that can be read, and what it is bound to. */
function boundPart(
  { id, worker, attempt, part: stored }: SealedRow,
  place: SealedPlace,
): BoundPart | null {
  const whole = { [SEALED_KEY]: stored };
  if (place === "outputs") {
    const part = sealedOutputPart(whole);
    const owner = { jobId: id as `${bigint}`, attempt: attempt ?? 0 };
    return part && { part, binding: outputBinding(owner) };
  }
  const part = sealedPartOf(whole);
  return part && { part, binding: argsBinding(worker ?? "", part.fields) };
}

async function resealedBox(
  { part, binding }: BoundPart,
  ring: KeyRing,
): Promise<Box | null> {
  try {
    return await ring.encrypt(await ring.decrypt(part, binding), binding);
  } catch (error) {
    if (error instanceof DecryptionError) return null;
    throw error;
  }
}
