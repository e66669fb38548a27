/** What becomes of jobs whose unique key another job holds. */
import type { Database } from "../db/database.ts";
import type { UniqueRule } from "../domain/unique_key.ts";
import type { InsertAnswer, JobInsert } from "./job_insert.ts";
import {
  type JobReplacement,
  type Overwrites,
  type ReplaceAnswer,
  replaceJobs,
} from "./replacements.ts";

/** How often what moves under our eyes is looked at again. */
export const LOOKS_MAX = 5;

/** What a job does to the one that holds its key. */
type ConflictRule = Pick<UniqueRule, "mode" | "replace" | "debounce">;

/** A job to insert, and its rule where it is unique. */
export interface Asking {
  readonly insert: JobInsert;
  readonly rule: ConflictRule | null;
}

/** What was asked of a batch of inserts, and the answers. */
export interface Answered {
  readonly batch: readonly Asking[];
  readonly answers: readonly InsertAnswer[];
}

/** Whether a conflict may have to overwrite the job that holds the key. */
export function mayOverwrite({ rule }: Pick<Asking, "rule">): boolean {
  return rule !== null && overwritesOf(rule) !== null;
}

/**
 * Whether a call must not be lost: where the holder could not be overwritten, it
 * is inserted anew, as the one that follows.
 */
export function mustNotBeLost({ rule }: Pick<Asking, "rule">): boolean {
  return rule?.mode === "debounce" || rule?.mode === "keep_last";
}

/**
 * Overwrites the holders of those that ask for it.
 *
 * @returns What became of it, by their places in the batch; nothing for those that
 * were inserted or only rejected.
 */
export async function overwriteHolders(
  db: Database,
  { batch, answers }: Answered,
): Promise<ReadonlyMap<number, ReplaceAnswer>> {
  const settled = new Map<number, ReplaceAnswer>();
  let open = new Map<number, JobReplacement>();
  for (const [place, answer] of answers.entries()) {
    const item = batch[place];
    const replacement = item && toReplacement(item, answer);
    if (replacement) open.set(place, replacement);
  }
  for (let look = 0; look < LOOKS_MAX && open.size > 0; look++) {
    const given = await replaceJobs(db, [...open.values()]);
    const moving = new Map<number, JobReplacement>();
    for (const [index, [place, replacement]] of [...open].entries()) {
      const answer = given[index] ?? { replaced: false, isMoving: false };
      settled.set(place, answer);
      if (!answer.replaced && answer.isMoving) moving.set(place, replacement);
    }
    open = moving;
  }
  return settled;
}

function toReplacement(
  { insert, rule }: Asking,
  answer: InsertAnswer,
): JobReplacement | null {
  const { unique } = insert;
  if (answer.status !== "conflict" || answer.by !== "unique") return null;
  const overwrites = rule === null ? null : overwritesOf(rule);
  if (unique == null || overwrites === null) return null;
  return { key: unique.key, jobId: answer.jobId, insert, overwrites };
}

function overwritesOf({ mode, replace, debounce }: ConflictRule) {
  const overwrites: Readonly<Record<UniqueRule["mode"], Overwrites | null>> = {
    reject: null,
    throttle: null,
    replace: { mode: "replace", fields: replace },
    keep_last: { mode: "keep_last" },
    debounce: { mode: "debounce", maxWaitMs: debounce?.maxWaitMs ?? null },
  };
  return overwrites[mode];
}
