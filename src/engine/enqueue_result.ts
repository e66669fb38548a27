import { type JobId, jobInsertedAt } from "../domain/job.ts";
import { blockerSentence, type LimiterBlocker } from "../domain/limiter.ts";
import type { InsertAnswer } from "../store/jobs.ts";
import type { ReplaceAnswer } from "../store/replacements.ts";
import type { Prepared } from "./prepare.ts";
import type { Issue } from "./standard_schema.ts";

/** A job that was inserted. */
export interface EnqueuedJob {
  /** Digits, as text: it does not fit into a number. Ids sort by insertion. */
  readonly id: JobId;
  /** Where it waits: what the call said, or its worker. */
  readonly queue: string;
  /** The name of its worker. */
  readonly worker: string;
  /** `scheduled` if it has a time to wait for, and `available` otherwise. */
  readonly state: "available" | "scheduled";
  /** When it is due, by the clock of the database; `null`: at once. */
  readonly runAt: Date | null;
  /** By the clock of the database, in whole milliseconds. */
  readonly insertedAt: Date;
}

/** What became of an enqueue. */
export type EnqueueResult =
  | { readonly status: "inserted"; readonly job: EnqueuedJob }
  /** Another job holds the uniqueness; `replaced` if it was overwritten. */
  | {
    readonly status: "conflict";
    /** The same was asked for before; or another job holds the uniqueness. */
    readonly by: "receipt" | "unique";
    readonly job: {
      readonly id: JobId;
      readonly insertedAt: Date;
      /** It was pruned: what was asked for is done, and only a receipt is left. */
      readonly isGone: boolean;
    };
    readonly replaced: boolean;
    /** Of what was replaced: when it is due; `null` if it is, or was not. */
    readonly runAt: Date | null;
  }
  /** Nothing was written: the args or an option can not be used. */
  | { readonly status: "invalid"; readonly issues: readonly Issue[] }
  /** Limiters that hold at enqueue refused it: nothing was written. */
  | {
    readonly status: "blocked";
    readonly blockers: readonly LimiterBlocker[];
    /** The first of them, as a sentence. */
    readonly reason: string;
  };

const OTHER_ARGS: readonly Issue[] = [{
  path: "idempotencyKey",
  message: "was used for other args",
}];

/** Of a job that limiters refuse. */
export function toBlocked(blockers: readonly LimiterBlocker[]): EnqueueResult {
  const [first] = blockers;
  const reason = first === undefined ? "" : blockerSentence(first);
  return { status: "blocked", blockers, reason };
}

/** Of a job that was inserted, or met another. */
export function toResult(
  { insert }: Prepared,
  { answer, replaced }: {
    readonly answer: InsertAnswer;
    readonly replaced?: ReplaceAnswer | undefined;
  },
): EnqueueResult {
  const { jobId: id } = answer;
  const insertedAt = jobInsertedAt(id);
  if (answer.status === "conflict") {
    if (answer.hasOtherArgs) return { status: "invalid", issues: OTHER_ARGS };
    const runAt = replaced?.replaced ? replaced.runAt : null;
    return {
      status: "conflict",
      by: answer.by,
      job: { id, insertedAt, isGone: answer.isGone },
      replaced: replaced?.replaced ?? false,
      runAt,
    };
  }
  const { queue, worker } = insert;
  const { state, runAt } = answer;
  const job = { id, queue, worker, state, runAt, insertedAt };
  return { status: "inserted", job };
}
