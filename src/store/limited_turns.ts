/** Writes what a claim of limited jobs decided. */
import type { Database } from "../db/database.ts";
import { json, type Sql, sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import type { LimiterRule } from "../domain/limiter.ts";
import { type PartitionState, UNUSED } from "../domain/limiter_admission.ts";
import {
  type LaneTurn,
  partitionId,
  type PartitionRef,
  type Turns,
} from "../domain/limiter_turns.ts";
import {
  type ClaimedJob,
  type ClaimedRow,
  claimedRows,
  leaseOfTaken,
  toClaimedJob,
} from "./claimed_jobs.ts";
import type { ClaimDemand } from "./leases.ts";
import type { Head } from "./limited_heads.ts";

/** What was decided, and about what. */
export interface AppliedTurns {
  readonly demand: ClaimDemand;
  /** When it was decided, after everything was held. */
  readonly nowMs: number;
  readonly turns: Turns;
  readonly rules: ReadonlyMap<string, LimiterRule>;
  readonly states: ReadonlyMap<string, PartitionState>;
  /** The jobs of each lane that were looked at. */
  readonly heads: ReadonlyMap<string, Head>;
}

/** What a job takes of a limiter of concurrency. */
export interface WantedGrant extends PartitionRef {
  readonly jobId: JobId;
  readonly weight: number;
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
  applied: AppliedTurns & { readonly grants: readonly WantedGrant[] },
): Promise<ClaimedJob[]> {
  const { demand, grants } = applied;
  const jobIds = applied.turns.lanes.flatMap((turn) => turn.served);
  const seen = toPartitions(applied);
  const rows = await tx.query<ClaimedRow>(
    sql`
    with taken as (
      delete from yardmaster.limited
      where job_id = any ((select ${jobIds}::bigint[])::bigint[])
      returning job_id, queue, worker, priority,
        (attempt + 1)::smallint as attempt
    ),
    lease as (${leaseOfTaken(tx, demand.executorId)}),
    ${grants.length > 0 ? granted(grants) : sql``}
    ${seen.length > 0 ? counted(tx, seen) : sql``}
    next as materialized (
      select *
      from jsonb_to_recordset(${json(toNext(applied))}) as next (
        id uuid, look_ms float8, blocked_limiter text, blocked_key text,
        looks smallint, emptied_by integer
      )
    ),
    next_ids as materialized (select array_agg(id) as ids from next),
    turned as (
      update yardmaster.lanes as lane
      set
        look_at = to_timestamp(next.look_ms / 1000),
        blocked_limiter = next.blocked_limiter,
        blocked_key = next.blocked_key,
        looks = next.looks
      from next
      where lane.id = any ((select ids from next_ids)::uuid[])
        and lane.id = next.id
        and (next.emptied_by is null or ${HAS_MORE})
    ),
    ended as (
      delete from yardmaster.lanes as lane
      using next
      where lane.id = any ((select ids from next_ids)::uuid[])
        and lane.id = next.id
        and next.emptied_by is not null and not ${HAS_MORE}
    )
    ${claimedRows(tx, demand)}
  `,
    { hot: true },
  );
  return rows.map((row) => toClaimedJob(row, demand));
}

/**
 * Whether there are more jobs in a lane than were served: those stand there
 * still, as the whole statement sees them, because the claim holds them.
 */
const HAS_MORE = sql`exists (
  select from yardmaster.limited
  where limited.lane_id = lane.id
  offset next.emptied_by
)`;

/** Of each job that was taken: what is claimed is held, so all of them are. */
function granted(grants: readonly WantedGrant[]): Sql {
  return sql`
    granted as (
      insert into yardmaster.limiter_grants (
        limiter, key, lease_id, job_id, weight
      )
      select wanted.limiter, wanted.key, lease.id, wanted.job_id, wanted.weight
      from lease
      cross join unnest(
        (select ${grants.map(({ limiter }) => limiter)}::text[]),
        (select ${grants.map(({ key }) => key)}::text[]),
        (select ${grants.map(({ jobId }) => jobId)}::bigint[]),
        (select ${grants.map(({ weight }) => weight)}::integer[])
      ) as wanted (limiter, key, job_id, weight)
    ),
  `;
}

/** What was used of rates, and what the history is told. */
function counted(tx: Database, seen: readonly SeenPartition[]): Sql {
  return sql`
    counted as (
      update yardmaster.limiter_partitions as part
      set
        used = coalesce(seen.used, part.used),
        counted_at = coalesce(
          to_timestamp(seen.counted_ms / 1000), part.counted_at
        ),
        told_at = case when seen.told is not null and ${isDue(tx)}
          then ${tx.now} else part.told_at end
      from jsonb_to_recordset(${json(seen)}) as seen (
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
  `;
}

/** The history is told of a full partition once a minute. */
function isDue(tx: Database): Sql {
  return sql`coalesce(part.told_at <= ${tx.now} - interval '1 minute', true)`;
}

/** What the served jobs take of limiters of concurrency. */
export function grantsOf(
  { turns, rules, heads }: AppliedTurns,
): WantedGrant[] {
  return turns.lanes.flatMap(({ id, served }) => {
    const head = heads.get(id);
    if (head === undefined) return [];
    const { limiters, keys } = head.lane;
    return limiters.flatMap((limiter, index) => {
      const rule = rules.get(limiter);
      if (rule?.kind !== "concurrency") return [];
      const key = keys[index] ?? "";
      return served.map((jobId, place): WantedGrant => {
        const weight = head.jobs[place]?.weights[index] ?? 1;
        return {
          limiter,
          key,
          jobId: jobId as JobId,
          weight: Math.min(weight, rule.capacity),
        };
      });
    });
  });
}

/** A partition, with what is to be written of it. */
type SeenPartition = Readonly<Record<string, unknown>>;

/** Partitions of which something was taken, or that held a job back. */
function toPartitions(
  { turns, rules, states, heads }: AppliedTurns,
): SeenPartition[] {
  const rows = new Map<string, SeenPartition>();
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
      job_id: heads.get(laneId)?.jobs[served.length]?.jobId,
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

/** When each lane is looked at next. One that found no room keeps its turn. */
function toNext({ turns, heads, nowMs }: AppliedTurns) {
  return turns.lanes.filter(({ waits }) => !waits).map((turn) => {
    const { id, block, served } = turn;
    const { lane, jobs = [], most = 0 } = heads.get(id) ?? {};
    const looks = served.length > 0 ? 0 : lane?.looks ?? 0;
    // No job was left when they were read.
    const isEmptied = served.length === jobs.length && jobs.length < most;
    return {
      id,
      look_ms: lookMs({ turn, looks, nowMs, isEmpty: jobs.length === 0 }),
      blocked_limiter: block?.limiter ?? null,
      blocked_key: block?.key ?? null,
      looks: Math.min(looks + 1, 30),
      emptied_by: isEmptied ? served.length : null,
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
