/** What runs returned, for as long as their workers asked to keep it. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import type { LeaseId } from "./leases.ts";

/** What to keep of a completed run. */
export interface StorableOutput {
  /** JSON that Postgres can store. */
  readonly text: string;
  /** Of the text in UTF-8. */
  readonly bytes: number;
  readonly keepMs: number;
  /** Whose run it was, and what it allowed: for telemetry. */
  readonly worker: string;
  readonly limitBytes: number;
}

/** The output of a run in its lease. */
export interface OutputOfRun {
  readonly leaseId: LeaseId;
  readonly jobId: JobId;
  readonly output?: StorableOutput;
}

/**
 * A part of the statement that ends runs: both are written, or neither. It reads
 * `held`, which has the jobs that their leases still hold.
 */
export function keptOutputs(db: Database, runs: readonly OutputOfRun[]): Sql {
  const outputs = runs.map(({ output }) => output);
  return sql`
    recorded as (
      insert into yardmaster.outputs (
        job_id, attempt, output, bytes, recorded_at, expires_at
      )
      select
        held.job_id, held.attempt, kept.output::jsonb, kept.bytes, ${db.now},
        ${db.now} + kept.keep_ms * interval '1 ms'
      from unnest(
        (select ${runs.map(({ leaseId }) => leaseId)}::bigint[]),
        (select ${runs.map(({ jobId }) => jobId)}::bigint[]),
        (select ${outputs.map((output) => output?.text ?? "null")}::text[]),
        (select ${outputs.map((output) => output?.bytes ?? 4)}::integer[]),
        (select ${outputs.map((output) => output?.keepMs ?? 0)}::float8[])
      ) as kept (lease_id, job_id, output, bytes, keep_ms)
      join held using (lease_id, job_id)
      where held.state = 'completed'
      -- Of an attempt before an operator's retry.
      on conflict (job_id) do update
      set
        attempt = excluded.attempt,
        output = excluded.output,
        bytes = excluded.bytes,
        recorded_at = excluded.recorded_at,
        expires_at = excluded.expires_at
    ),
  `;
}

/**
 * When an output expires. The release before wrote no such time, nor a new one
 * when it wrote over an output: what it wrote has the standard time.
 */
export const EXPIRES_AT: Sql = sql`
  case when outputs.expires_at >= outputs.recorded_at then outputs.expires_at
    else outputs.recorded_at + interval '168 hours'
  end
`;

/** Whether it can be read no more; null where there is none. */
export function isExpired(db: Database): Sql {
  return sql`(outputs.output is null or ${EXPIRES_AT} <= ${db.now})`;
}

/** Of its text; the release before did not count. */
export const OUTPUT_BYTES: Sql = sql`
  coalesce(outputs.bytes, octet_length(outputs.output::text))
`;

/** An output that can be read. */
export interface KeptOutput {
  readonly output: unknown;
  readonly attempt: number;
  readonly bytes: number;
  readonly recordedAt: Date;
  readonly expiresAt: Date;
}

/** What is known of a job's output. */
export interface OutputFacts {
  /** The worker of the job, if there is a record of it. */
  readonly worker: string | null;
  readonly ended: boolean;
  readonly expired: boolean;
  readonly kept: KeptOutput | null;
}

/** Looks for the output of a job. */
export async function findOutput(
  db: Database,
  jobId: JobId,
): Promise<OutputFacts> {
  type Found = Partial<KeptOutput> & Omit<OutputFacts, "kept" | "expired"> & {
    readonly expired: boolean | null;
  };
  const [row] = await db.query<Found>(sql`
    select
      jobs.worker, outcomes.job_id is not null as "ended",
      case when outputs.job_id is not null then ${isExpired(db)} end
        as "expired",
      case when not ${isExpired(db)} then outputs.output end as "output",
      outputs.attempt, ${OUTPUT_BYTES} as "bytes",
      outputs.recorded_at as "recordedAt", ${EXPIRES_AT} as "expiresAt"
    from (select) as asked
    left join yardmaster.jobs on jobs.id = ${jobId}::bigint
    left join yardmaster.outcomes on outcomes.job_id = ${jobId}::bigint
    left join yardmaster.outputs on outputs.job_id = ${jobId}::bigint
  `);
  if (row === undefined) throw new Error("Cannot read an output: no row came");
  const { worker, ended, expired, ...output } = row;
  return {
    worker,
    ended,
    expired: expired === true,
    kept: expired === false ? output as KeptOutput : null,
  };
}
