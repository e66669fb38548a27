/** What goes into an insert of jobs, and what comes out. */
import type { JobId, JobState } from "../domain/job.ts";
import type { JobReceipt } from "./receipts.ts";

/** A job to insert. Waits are added to the database's clock. */
export interface JobInsert {
  readonly queue: string;
  readonly worker: string;
  readonly args: Readonly<Record<string, unknown>>;
  /** The args as JSON, where they were written already. */
  readonly argsText?: string;
  readonly meta?: Readonly<Record<string, unknown>>;
  readonly tags?: readonly string[];
  readonly priority: number;
  readonly maxAttempts: number;
  /** Not before this instant; what is past is ready at once. */
  readonly runAt?: Date | null;
  /** Not before so many milliseconds from now. */
  readonly delayMs?: number | null;
  readonly deadlineAt?: Date | null;
  readonly deadlineMs?: number | null;
  readonly unique?: JobUnique | null;
  readonly receipt?: JobReceipt | null;
  /** Its worker may have limiters where it waits: look for them. */
  readonly limited?: boolean;
  readonly cronEntry?: string | null;
  readonly parentId?: JobId | null;
  readonly trace?: string | null;
}

/** The claim of uniqueness that a job makes. */
export interface JobUnique {
  readonly key: string;
  readonly states: readonly JobState[];
  /** `null`: for ever. */
  readonly periodMs: number | null;
}

/** What became of one insert. */
export type InsertAnswer =
  | {
    readonly status: "inserted";
    readonly jobId: JobId;
    readonly state: "available" | "scheduled";
    readonly runAt: Date | null;
  }
  /** The job that holds the key, or that the receipt is of. */
  | {
    readonly status: "conflict";
    readonly by: "receipt" | "unique";
    readonly jobId: JobId;
    /** It was pruned, and only the receipt is left. */
    readonly isGone: boolean;
    /** The receipt was for other args. */
    readonly hasOtherArgs: boolean;
  };

/** What the statement says of one insert. */
export interface InsertRow {
  readonly jobId: JobId;
  readonly answer: "inserted" | "unique" | "receipt" | "gone" | "other_args";
  readonly runAt: Date | null;
}

/** As `jsonb_to_recordset` reads it. */
export function toRow(insert: JobInsert): Record<string, unknown> {
  return {
    queue: insert.queue,
    worker: insert.worker,
    args: insert.args,
    meta: insert.meta ?? {},
    tags: insert.tags ?? [],
    priority: insert.priority,
    max_attempts: insert.maxAttempts,
    wanted_at: insert.runAt,
    delay_ms: insert.delayMs,
    deadline_at: insert.deadlineAt,
    deadline_ms: insert.deadlineMs,
    unique_key: insert.unique?.key,
    unique_states: insert.unique?.states,
    unique_ms: insert.unique?.periodMs,
    ...(insert.receipt != null && toReceipt(insert.receipt)),
    cron_entry: insert.cronEntry,
    parent_id: insert.parentId,
    trace: insert.trace,
  };
}

function toReceipt(
  { fingerprint, argsDigest, keepMs }: JobReceipt,
): Record<string, unknown> {
  return {
    receipt: `\\x${fingerprint}`,
    args_digest: argsDigest === null ? null : `\\x${argsDigest}`,
    receipt_ms: keepMs,
  };
}

/** What is told of a row. */
export function toAnswer({ jobId, answer, runAt }: InsertRow): InsertAnswer {
  if (answer === "inserted") {
    const state = runAt === null ? "available" : "scheduled";
    return { status: "inserted", jobId, state, runAt };
  }
  return {
    status: "conflict",
    by: answer === "unique" ? "unique" : "receipt",
    jobId,
    isGone: answer === "gone",
    hasOtherArgs: answer === "other_args",
  };
}
