/** What a replacement says of a job, as the statement reads it. */
import { ARGS_VERSION_KEY } from "../domain/args_version.ts";
import type { JobId } from "../domain/job.ts";
import { REDACTED_KEY } from "../domain/redaction.ts";
import { REPLACEABLE, type Replaceable } from "../domain/unique_key.ts";
import type { JobInsert } from "./jobs.ts";

/** A job that holds a key, and the insert that met it. */
export interface JobReplacement {
  readonly key: string;
  readonly jobId: JobId;
  readonly insert: JobInsert;
  readonly overwrites: Overwrites;
}

/** What of the job is overwritten. */
export type Overwrites =
  | { readonly mode: "replace"; readonly fields: readonly Replaceable[] }
  | { readonly mode: "debounce"; readonly maxWaitMs: number | null }
  | { readonly mode: "keep_last" };

/** Notes of what the args are go with the args, not with the notes of the host. */
export const ARGS_NOTES = [ARGS_VERSION_KEY, REDACTED_KEY] as const;

/** What the statement reads of a job; what is not there is not overwritten. */
export type ReplaceRow = Readonly<Record<string, unknown>> & {
  readonly fields: readonly string[];
};

/** By job; of several replacements of one, the sum. */
export function toReplaceRows(
  replacements: readonly JobReplacement[],
): Readonly<Record<JobId, ReplaceRow>> {
  const rows: Record<JobId, ReplaceRow> = {};
  for (const each of replacements) {
    const before = rows[each.jobId];
    const row = toRow(each);
    const fields = new Set([...before?.fields ?? [], ...row.fields]);
    // A worker that the job has already leaves it in its queue.
    const stays = before?.worker === row.worker && row.whole !== true;
    const queue = stays ? { queue: before?.queue } : {};
    // Once it was due it waits for its plan, and no longer for a next attempt.
    const anew = row.whole === true || before?.anew === true ||
      before !== undefined && isDue(before);
    const sum = { ...before, ...row, ...queue, anew };
    rows[each.jobId] = { ...sum, fields: [...fields] };
  }
  return rows;
}

function toRow({ key, insert, overwrites }: JobReplacement): ReplaceRow {
  const { mode } = overwrites;
  const isNewest = mode !== "replace";
  const fields: readonly string[] = mode === "replace"
    ? overwrites.fields
    : mode === "debounce"
    ? ["args", "maxAttempts", "runAt", "deadline"]
    : [...REPLACEABLE, "deadline"];
  const has = (field: string) => fields.includes(field);
  return {
    key,
    fields,
    ...(mode === "keep_last" && { whole: true, trace: insert.trace }),
    ...(has("args") && {
      // Keys may be those of several workers, and no other can read these args.
      worker: insert.worker,
      queue: insert.queue,
      args: insert.args,
      args_meta: notesOf(insert),
    }),
    ...(has("meta") && { meta: insert.meta ?? {} }),
    ...(has("tags") && { tags: insert.tags ?? [] }),
    ...(has("priority") && { priority: insert.priority }),
    ...(has("maxAttempts") && {
      max_attempts: insert.maxAttempts,
      attempts_anew: isNewest,
    }),
    ...(has("runAt") && {
      wanted_at: insert.runAt ?? null,
      delay_ms: insert.delayMs ?? null,
      max_wait_ms: mode === "debounce" ? overwrites.maxWaitMs : null,
      keeps_backoff: mode === "debounce",
    }),
    ...(has("deadline") && {
      deadline_at: insert.deadlineAt ?? null,
      deadline_ms: insert.deadlineMs ?? null,
    }),
  };
}

function isDue(
  { fields, wanted_at, delay_ms, keeps_backoff }: ReplaceRow,
): boolean {
  return fields.includes("runAt") && keeps_backoff !== true &&
    wanted_at === null && (delay_ms === null || delay_ms === 0);
}

function notesOf({ meta = {} }: JobInsert): Record<string, unknown> {
  const notes: Record<string, unknown> = {};
  for (const key of ARGS_NOTES) {
    if (Object.hasOwn(meta, key)) notes[key] = meta[key];
  }
  return notes;
}
