/** Limiters that refuse at enqueue, on every way into `jobs`. */
import type { Database } from "../db/database.ts";
import { json, sql } from "../db/sql.ts";
import { JOB_STATES, type JobId } from "../domain/job.ts";
import type { LimiterBlocker } from "../domain/limiter.ts";
import type { PartitionState } from "../domain/limiter_admission.ts";
import {
  type LaneBlock,
  partitionId,
  type PartitionRef,
  takeAll,
} from "../domain/limiter_turns.ts";
import {
  type LockedPartition,
  lockPartitions,
  ruleOf,
  stateOf,
} from "./limited_locks.ts";

/** Jobs that were refused, with what held each of them back. */
export type RefusedJobs = ReadonlyMap<JobId, readonly LimiterBlocker[]>;

/** Partitions may be pruned between being made and being held. */
const LOOKS_MAX = 5;

/**
 * Asks the limiters that hold at enqueue about jobs that this transaction has
 * just inserted, in their order, and takes those out again that are refused. So
 * what conflicts with another job is never counted, nor told to be blocked.
 */
export async function admitInserted(
  tx: Database,
  jobIds: readonly JobId[],
): Promise<RefusedJobs> {
  if (jobIds.length === 0) return new Map();
  const jobs = await readLimits(tx, jobIds);
  if (jobs.length === 0) return new Map();
  const partitions = await holdPartitions(tx, jobs);
  const nowMs = await readNow(tx);
  const byId = new Map(partitions.map((each) => [partitionId(each), each]));
  const before = new Map(partitions.map((each) => [
    partitionId(each),
    stateOf(each, each.used),
  ]));
  const states = new Map<string, PartitionState>(before);
  const rules = new Map(partitions.map((each) => [each.limiter, ruleOf(each)]));
  const refused = new Map<JobId, LimiterBlocker[]>();
  const blocks: { block: LaneBlock; jobId: JobId }[] = [];
  for (const { jobId, parts, weights } of jobs) {
    const held = takeAll(states, { partitions: parts, weights, rules, nowMs });
    if (held.length === 0) continue;
    for (const block of held) blocks.push({ block, jobId });
    refused.set(
      jobId,
      held.map((block) =>
        toBlocker(block, {
          part: byId.get(partitionId(block)),
          weight: weights[
            parts.findIndex((part) => partitionId(part) === partitionId(block))
          ] ?? 1,
        })
      ),
    );
  }
  const taken = [...states].filter(([id, state]) => state !== before.get(id));
  await writeStates(tx, { taken, blocks, byId });
  if (refused.size > 0) await takeOut(tx, [...refused.keys()]);
  return refused;
}

interface LimitedJob {
  readonly jobId: JobId;
  readonly limiters: readonly string[];
  readonly keys: readonly string[];
  readonly weights: readonly number[];
  readonly parts: readonly PartitionRef[];
}

async function readLimits(
  tx: Database,
  jobIds: readonly JobId[],
): Promise<LimitedJob[]> {
  const rows = await tx.query<Omit<LimitedJob, "parts">>(sql`
    select jobs.id::text as "jobId", wanted.limiters, wanted.keys,
      wanted.weights
    from unnest(${[...jobIds]}::bigint[]) with ordinality as row (id, place)
    join yardmaster.jobs on jobs.id = row.id
    cross join lateral yardmaster.limits_of(jobs.worker, 'enqueue', jobs.args)
      as wanted
    where wanted.limiters is not null
    order by row.place
  `);
  return rows.map((row) => {
    const parts = row.limiters.map((limiter, index) => {
      return { limiter, key: row.keys[index] ?? "" };
    });
    return { ...row, parts };
  });
}

async function holdPartitions(
  tx: Database,
  jobs: readonly LimitedJob[],
): Promise<LockedPartition[]> {
  const wanted = new Set(
    jobs.flatMap(({ parts }) => parts.map((part) => partitionId(part))),
  );
  let held: LockedPartition[] = [];
  for (let look = 0; look < LOOKS_MAX && held.length < wanted.size; look++) {
    await tx.query(sql`
      insert into yardmaster.limiter_partitions (
        limiter, key, used, counted_at
      )
      select distinct part.limiter, part.key, 0, ${tx.now}
      from unnest(
        ${jobs.flatMap((job) => job.limiters)}::text[],
        ${jobs.flatMap((job) => job.keys)}::text[]
      ) as part (limiter, key)
      where not exists (
        select from yardmaster.limiter_partitions as known
        where known.limiter = part.limiter and known.key = part.key
      )
      order by part.limiter, part.key
      on conflict do nothing
    `);
    held = await lockPartitions(tx, jobs);
  }
  if (held.length < wanted.size) {
    throw new Error("Cannot hold the partitions of a limiter: they are pruned");
  }
  return held;
}

/** After everything is held: it may have taken a while. */
async function readNow(tx: Database): Promise<number> {
  const [row] = await tx.query<{ nowMs: number }>(sql`
    select (extract(epoch from ${tx.now}) * 1000)::float8 as "nowMs"
  `);
  return row?.nowMs ?? 0;
}

function toBlocker(
  { code, eligibleMs, limiter, key, used }: LaneBlock,
  { part, weight }: {
    readonly part: LockedPartition | undefined;
    readonly weight: number;
  },
): LimiterBlocker {
  return {
    code,
    limiter,
    key,
    kind: part?.kind ?? "token_bucket",
    at: "enqueue",
    scope: part?.isPartitioned ? "partitioned" : "global",
    eligibleAt: eligibleMs === null ? null : new Date(eligibleMs),
    capacity: part?.capacity ?? 0,
    used,
    weight,
    reason: code === "cooldown" ? part?.cooldownReason ?? null : null,
  };
}

interface Decided {
  readonly taken: readonly (readonly [string, PartitionState])[];
  readonly blocks: readonly {
    readonly block: LaneBlock;
    readonly jobId: JobId;
  }[];
  readonly byId: ReadonlyMap<string, LockedPartition>;
}

/** What was used, and once a minute that something was refused. */
async function writeStates(
  tx: Database,
  { taken, blocks, byId }: Decided,
): Promise<void> {
  const rows = new Map<string, Record<string, unknown>>();
  for (const [id, { used, countedMs }] of taken) {
    const { limiter, key } = byId.get(id) ?? { limiter: "", key: "" };
    rows.set(id, { limiter, key, used, counted_ms: countedMs });
  }
  for (const { block } of blocks) {
    const { limiter, key, code, used, eligibleMs } = block;
    const id = partitionId(block);
    const part = byId.get(id);
    const reason = code === "cooldown" ? part?.cooldownReason : undefined;
    rows.set(id, {
      limiter,
      key,
      ...rows.get(id),
      eligible_ms: eligibleMs,
      told: { code, used, capacity: part?.capacity ?? null, reason },
    });
  }
  await tx.query(sql`
    with counted as (
      update yardmaster.limiter_partitions as part
      set
        used = coalesce(seen.used, part.used),
        counted_at = coalesce(
          to_timestamp(seen.counted_ms / 1000), part.counted_at
        ),
        told_at = case when seen.told is not null and (
          coalesce(part.told_at <= ${tx.now} - interval '1 minute', true)
        ) then ${tx.now} else part.told_at end
      from jsonb_to_recordset(${json([...rows.values()])}) as seen (
        limiter text, key text, used float8, counted_ms float8, told jsonb,
        eligible_ms float8
      )
      where part.limiter = seen.limiter and part.key = seen.key
        and (
          seen.used is not null
          or coalesce(part.told_at <= ${tx.now} - interval '1 minute', true)
        )
      returning part.limiter, part.key, part.told_at, seen.told,
        seen.eligible_ms
    )
    insert into yardmaster.limiter_facts (
      limiter, key, kind, at, eligible_at, details
    )
    select limiter, key, 'blocked', ${tx.now},
      to_timestamp(eligible_ms / 1000), told
    from counted
    where told is not null and told_at = ${tx.now}
  `);
}

/** As if they had never been there: nobody else has seen them. */
async function takeOut(tx: Database, jobIds: readonly JobId[]): Promise<void> {
  const ids = sql`${[...jobIds]}::bigint[]`;
  await tx.query(sql`
    with due as (
      delete from yardmaster.ready where job_id = any (${ids})
    ),
    in_line as (
      delete from yardmaster.limited where job_id = any (${ids})
    ),
    later as (
      delete from yardmaster.scheduled where job_id = any (${ids})
    ),
    claim as (
      -- By their keys: no index knows which keys a job holds.
      delete from yardmaster.unique_keys
      where key = any (
          array(select unique_key from yardmaster.jobs where id = any (${ids}))
        )
        and job_id = any (${ids})
        -- One that was taken over stays: of a job that is gone, it holds nothing,
        -- and the job that had it before finds it when it is retried. But what
        -- holds for all of a time would do so without its job.
        and (
          xmax = 0
          or expires_at is not null
            and cardinality(states) >= ${JOB_STATES.length}::integer
        )
    )
    delete from yardmaster.jobs where id = any (${ids})
  `);
}
