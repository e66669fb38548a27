/** Writes what a claim of limited jobs decided. */
import type { Database } from "../db/database.ts";
import { json, sql } from "../db/sql.ts";
import type { LimiterRule } from "../domain/limiter.ts";
import { type PartitionState, UNUSED } from "../domain/limiter_admission.ts";
import {
  type LaneTurn,
  partitionId,
  type Turns,
} from "../domain/limiter_turns.ts";
import { type ClaimedJob, leaseOfTaken } from "./claimed_jobs.ts";
import type { HeadJob, LockedLane } from "./limited_locks.ts";

/** What was decided, and about what. */
export interface AppliedTurns {
  readonly executorId: number;
  /** When it was decided, after everything was held. */
  readonly nowMs: number;
  readonly lanes: readonly LockedLane[];
  readonly turns: Turns;
  readonly rules: ReadonlyMap<string, LimiterRule>;
  readonly states: ReadonlyMap<string, PartitionState>;
  /** The jobs of each lane that were looked at. */
  readonly heads: ReadonlyMap<string, readonly HeadJob[]>;
  readonly headsMax: number;
}

/** A lane whose release nobody hears of is looked at again so soon. */
const RECHECK_MS = 1_000;
const RECHECK_MS_MAX = 5_000;
/** A lane that seems empty, while somebody holds a job of it. */
const EMPTY_MS = 100;

/**
 * Writes a decision: jobs into a lease, grants, what was used, whose turn is
 * next, and what the history is told. The caller holds all of it.
 */
export async function applyTurns(
  tx: Database,
  applied: AppliedTurns,
): Promise<ClaimedJob[]> {
  const { nowMs, executorId } = applied;
  const jobIds = applied.turns.lanes.flatMap((turn) => turn.served);
  const hasNone = sql`not exists (
    select from yardmaster.limited
    where limited.lane_id = lane.id
      and limited.job_id <> all (${jobIds}::bigint[])
  )`;
  return await tx.query<ClaimedJob>(sql`
    with taken as (
      delete from yardmaster.limited
      where job_id = any (${jobIds}::bigint[])
      returning job_id, queue, worker, priority,
        (attempt + 1)::smallint as attempt
    ),
    lease as (${leaseOfTaken(tx, executorId)}),
    granted as (
      insert into yardmaster.limiter_grants (
        limiter, key, lease_id, job_id, weight
      )
      select wanted.limiter, wanted.key, lease.id, wanted.job_id, wanted.weight
      from jsonb_to_recordset(${json(toGrants(applied))}) as wanted (
        limiter text, key text, job_id bigint, weight integer
      )
      join taken using (job_id)
      cross join lease
    ),
    counted as (
      update yardmaster.limiter_partitions as part
      set
        used = coalesce(seen.used, part.used),
        counted_at = coalesce(
          to_timestamp(seen.counted_ms / 1000), part.counted_at
        ),
        told_at = case when seen.told is not null and ${isDue(tx)}
          then ${tx.now} else part.told_at end
      from jsonb_to_recordset(${json(toPartitions(applied))}) as seen (
        limiter text, key text, used float8, counted_ms float8, told jsonb,
        job_id bigint, eligible_ms float8
      )
      where part.limiter = seen.limiter and part.key = seen.key
        and (seen.used is not null or ${isDue(tx)})
      returning part.limiter, part.key, part.told_at, seen.told, seen.job_id,
        seen.eligible_ms
    ),
    told as (
      insert into yardmaster.limiter_facts (
        limiter, key, kind, at, eligible_at, job_id, details
      )
      select limiter, key, 'blocked', ${tx.now},
        to_timestamp(eligible_ms / 1000), job_id, told
      from counted
      where told is not null and told_at = ${tx.now}
    ),
    turned as (
      update yardmaster.lanes as lane
      set
        look_at = to_timestamp(next.look_ms / 1000),
        blocked_limiter = next.blocked_limiter,
        blocked_key = next.blocked_key,
        looks = next.looks
      from jsonb_to_recordset(${json(toNext(applied, nowMs))}) as next (
        id uuid, look_ms float8, blocked_limiter text, blocked_key text,
        looks smallint
      )
      where lane.id = next.id
        and not (lane.id = any (${emptied(applied)}::uuid[]) and ${hasNone})
    ),
    ended as (
      delete from yardmaster.lanes as lane
      where lane.id = any (${emptied(applied)}::uuid[])
        and ${hasNone}
    )
    select
      (select id::text from lease) as "leaseId",
      taken.job_id::text as "jobId",
      taken.attempt, taken.queue, taken.worker, job.args, job.meta, job.tags,
      taken.priority, job.max_attempts as "maxAttempts",
      (extract(epoch from job.deadline_at - ${tx.now}) * 1000)::float8
        as "deadlineInMs"
    from taken
    -- offset 0 keeps it a lookup for each job: a join might read the table.
    cross join lateral (
      select args, meta, tags, max_attempts, deadline_at
      from yardmaster.jobs
      where jobs.id = taken.job_id
      offset 0
    ) as job
    order by taken.priority, taken.job_id
  `);
}

/** The history is told of a full partition once a minute. */
function isDue(tx: Database) {
  return sql`coalesce(part.told_at <= ${tx.now} - interval '1 minute', true)`;
}

/** What the served jobs take of limiters of concurrency. */
function toGrants({ lanes, turns, rules, heads }: AppliedTurns) {
  const byId = new Map(lanes.map((lane) => [lane.id, lane]));
  return turns.lanes.flatMap(({ id, served }) => {
    const lane = byId.get(id);
    const jobs = heads.get(id) ?? [];
    return served.flatMap((jobId, place) =>
      (lane?.limiters ?? []).flatMap((limiter, index) => {
        const rule = rules.get(limiter);
        if (rule?.kind !== "concurrency") return [];
        const weight = jobs[place]?.weights[index] ?? 1;
        return [{
          limiter,
          key: lane?.keys[index] ?? "",
          job_id: jobId,
          weight: Math.min(weight, rule.capacity),
        }];
      })
    );
  });
}

/** Partitions of which something was taken, or that held a job back. */
function toPartitions({ turns, rules, states, heads }: AppliedTurns) {
  const rows = new Map<string, Record<string, unknown>>();
  for (const [id, { used, countedMs }] of turns.states) {
    const [limiter, key] = JSON.parse(id) as [string, string];
    if (rules.get(limiter)?.kind === "concurrency") continue;
    rows.set(id, { limiter, key, used, counted_ms: countedMs });
  }
  for (const { id: laneId, block, served } of turns.lanes) {
    if (block === null) continue;
    const { limiter, key } = block;
    const id = partitionId(block);
    const state = turns.states.get(id) ?? states.get(id) ?? UNUSED;
    rows.set(id, {
      limiter,
      key,
      ...rows.get(id),
      job_id: heads.get(laneId)?.[served.length]?.jobId,
      eligible_ms: block.eligibleMs,
      told: {
        code: block.code,
        used: state.used,
        capacity: rules.get(limiter)?.capacity ?? null,
        ...(block.code === "cooldown" && { reason: state.cooldown?.reason }),
      },
    });
  }
  return [...rows.values()];
}

/** Lanes of which no job was left when they were read. */
function emptied({ turns, lanes, heads, headsMax }: AppliedTurns): string[] {
  const byId = new Map(lanes.map((lane) => [lane.id, lane]));
  return turns.lanes.filter(({ id, served }) => {
    const count = heads.get(id)?.length ?? 0;
    const asked = Math.min(byId.get(id)?.room ?? 0, headsMax);
    return served.length === count && count < asked;
  }).map(({ id }) => id);
}

/** When each lane is looked at next. One that found no room keeps its turn. */
function toNext(applied: AppliedTurns, nowMs: number) {
  const byId = new Map(applied.lanes.map((lane) => [lane.id, lane]));
  return applied.turns.lanes.filter(({ waits }) => !waits).map((turn) => {
    const lane = byId.get(turn.id);
    const { block, served } = turn;
    const looks = served.length > 0 ? 0 : lane?.looks ?? 0;
    const isEmpty = !applied.heads.has(turn.id);
    return {
      id: turn.id,
      look_ms: lookMs({ turn, looks, nowMs, isEmpty }),
      blocked_limiter: block?.limiter ?? null,
      blocked_key: block?.key ?? null,
      looks: Math.min(looks + 1, 30),
    };
  });
}

function lookMs(
  { turn: { block }, looks, nowMs, isEmpty }: {
    readonly turn: LaneTurn;
    readonly looks: number;
    readonly nowMs: number;
    readonly isEmpty: boolean;
  },
): number {
  if (isEmpty) return nowMs + EMPTY_MS;
  if (block === null) return nowMs;
  return block.eligibleMs ??
    nowMs + Math.min(RECHECK_MS * 2 ** looks, RECHECK_MS_MAX);
}
