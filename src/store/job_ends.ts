/** How jobs ended, for those who wait for them. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId, TerminalState } from "../domain/job.ts";
import type { AttemptEventKind } from "../domain/state.ts";
import {
  EXPIRES_AT,
  isExpired,
  type KeptOutput,
  OUTPUT_BYTES,
} from "./outputs.ts";

/** So many jobs are asked about in one statement. */
export const ENDS_MAX = 1_000;

/** A job that has ended, or that there is no record of. */
export type FoundEnd =
  | { readonly jobId: JobId; readonly state: null }
  | {
    readonly jobId: JobId;
    readonly worker: string | null;
    readonly state: TerminalState;
    readonly attempt: number;
    readonly finishedAt: Date;
    /** What was told last of a job that did not complete. */
    readonly kind: AttemptEventKind | null;
    readonly message: string | null;
    /** Of what the completed attempt left; null: nothing. */
    readonly outputBytes: number | null;
    readonly outputExpired: boolean | null;
  };

/** Those of the jobs that have ended, and those that are not there. */
export async function listEnds(
  db: Database,
  jobIds: readonly JobId[],
): Promise<FoundEnd[]> {
  // Each part is a lookup by primary key in one time partition. What is told of
  // an end is looked up only where there is one.
  return await db.query<FoundEnd>(
    sql`
    select
      asked.id::text as "jobId", job.worker, outcome.state::text as "state",
      outcome.attempt, outcome.finished_at as "finishedAt",
      event.kind::text as "kind", event.message,
      left_behind.bytes as "outputBytes", left_behind.expired as "outputExpired"
    from unnest((select ${[...jobIds]}::bigint[])) as asked (id)
    left join lateral (
      select worker from yardmaster.jobs where jobs.id = asked.id offset 0
    ) as job on true
    left join lateral (
      select state, attempt, finished_at
      from yardmaster.outcomes
      where outcomes.job_id = asked.id
      offset 0
    ) as outcome on true
    left join lateral (
      select kind, message
      from yardmaster.attempt_events
      where outcome.state <> 'completed'
        and attempt_events.job_id = asked.id
        and attempt_events.attempt = outcome.attempt
        and kind not in ('lost', 'snoozed', 'given_back', 'retried', 'replaced')
      order by id desc
      limit 1
    ) as event on true
    left join lateral (
      select ${OUTPUT_BYTES} as bytes, ${isExpired(db)} as expired
      from yardmaster.outputs
      where outcome.state = 'completed'
        and outputs.job_id = asked.id
        and outputs.attempt = outcome.attempt
      offset 0
    ) as left_behind on true
    where outcome.state is not null or job.worker is null
  `,
    { hot: true },
  );
}

/** The outputs of these jobs that can be read. */
export async function listOutputs(
  db: Database,
  jobIds: readonly JobId[],
): Promise<(KeptOutput & { readonly jobId: JobId })[]> {
  return await db.query(sql`
    select
      outputs.job_id::text as "jobId", outputs.output, outputs.attempt,
      ${OUTPUT_BYTES} as "bytes", outputs.recorded_at as "recordedAt",
      ${EXPIRES_AT} as "expiresAt"
    from yardmaster.outputs
    where outputs.job_id = any (${[...jobIds]}::bigint[])
      and not ${isExpired(db)}
  `);
}
