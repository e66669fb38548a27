/** What a claim of limited jobs holds while it decides. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import type { LimiterRule } from "../domain/limiter.ts";
import type { PartitionState } from "../domain/limiter_admission.ts";
import {
  type LaneJob,
  partitionId,
  type PartitionRef,
} from "../domain/limiter_turns.ts";
import type { ClaimDemand } from "./leases.ts";

/** Lanes that one claim looks at. */
export const LANES_MAX = 200;

/** A lane that this transaction holds. */
export interface LockedLane {
  readonly id: string;
  readonly queue: string;
  readonly worker: string;
  readonly limiters: readonly string[];
  readonly keys: readonly string[];
  readonly looks: number;
  /** Jobs that its queue takes. */
  readonly room: number;
}

/**
 * Holds the lanes whose turn it is, and makes the rows of their partitions: who
 * uses one for the first time must be able to hold it.
 */
export async function lockLanes(
  tx: Database,
  { executorId, workers, queues }: ClaimDemand,
): Promise<LockedLane[]> {
  return await tx.query<LockedLane>(sql`
    with wanted as materialized (
      select demand.queue, least(
        coalesce(queues.chosen_limit, demand.declared_limit)
          + demand.prefetch - demand.held,
        demand.most
      ) as room
      from unnest(
        ${queues.map((demand) => demand.queue)}::text[],
        ${queues.map((demand) => demand.declaredLimit)}::integer[],
        ${queues.map((demand) => demand.held)}::integer[],
        ${queues.map((demand) => demand.prefetch)}::integer[],
        ${queues.map((demand) => demand.most)}::integer[]
      ) as demand (queue, declared_limit, held, prefetch, most)
      left join yardmaster.queues on queues.name = demand.queue
      where queues.paused_at is null
        and exists (
          select
          from yardmaster.executors
          where id = ${executorId}::integer and stopped_at is null
        )
    ),
    turn as materialized (
      select lane.*, wanted.room
      from wanted
      cross join unnest(${[...workers]}::text[]) as worker (name)
      cross join lateral (
        select id, queue, worker, limiters, keys, looks, look_at
        from yardmaster.lanes
        where lanes.queue = wanted.queue
          and lanes.worker = worker.name
          and lanes.look_at <= ${tx.now}
        order by look_at, id
        limit ${LANES_MAX}
        for update skip locked
      ) as lane
      where wanted.room > 0
      order by lane.look_at, lane.id
      limit ${LANES_MAX}
    ),
    first_used as (
      insert into yardmaster.limiter_partitions (
        limiter, key, used, counted_at
      )
      select distinct part.limiter, part.key, 0, ${tx.now}
      from turn
      cross join unnest(turn.limiters, turn.keys) as part (limiter, key)
      where not exists (
        select from yardmaster.limiter_partitions as known
        where known.limiter = part.limiter and known.key = part.key
      )
      -- In order, as they are held: nobody waits for each other.
      order by part.limiter, part.key
      on conflict do nothing
    )
    select id, queue, worker, limiters, keys, looks, room
    from turn
    order by look_at, id
  `);
}

/** A partition that a transaction holds, with the rule of its limiter. */
export interface LockedPartition extends PartitionRef, LimiterRule {
  readonly isPartitioned: boolean;
  readonly used: number;
  readonly countedMs: number;
  readonly cooldownMs: number | null;
  readonly cooldownReason: string | null;
}

/** Holds partitions until the transaction ends, in their order. */
export async function lockPartitions(
  tx: Database,
  lanes: readonly {
    readonly limiters: readonly string[];
    readonly keys: readonly string[];
  }[],
): Promise<LockedPartition[]> {
  const limiters = lanes.flatMap((lane) => lane.limiters);
  const keys = lanes.flatMap((lane) => lane.keys);
  return await tx.query<LockedPartition>(sql`
    with held as materialized (
      select part.*
      from yardmaster.limiter_partitions as part
      where (part.limiter, part.key) in (
        select * from unnest(${limiters}::text[], ${keys}::text[])
      )
      order by part.limiter, part.key
      for update
    )
    select held.limiter, held.key, known.kind::text as "kind",
      coalesce(known.chosen_capacity, known.declared_capacity) as "capacity",
      known.per_ms as "perMs", known.partition_by is not null as
        "isPartitioned", held.used,
      ${epochMs(sql`held.counted_at`)} as "countedMs",
      ${epochMs(sql`greatest(held.cooldown_until, known.cooldown_until)`)}
        as "cooldownMs",
      case
        when known.cooldown_until >= coalesce(
          held.cooldown_until, known.cooldown_until
        ) then known.cooldown_reason
        else held.cooldown_reason
      end as "cooldownReason"
    from held
    join yardmaster.limiters as known on known.name = held.limiter
  `);
}

function epochMs(at: Sql) {
  return sql`(extract(epoch from ${at}) * 1000)::float8`;
}

/** A job at the head of a lane. */
export type HeadJob = LaneJob;

/** Reads and holds the first jobs of each lane, and what time it is by now. */
export async function readHeads(
  tx: Database,
  { lanes, headsMax }: {
    readonly lanes: readonly LockedLane[];
    readonly headsMax: number;
  },
): Promise<
  { readonly nowMs: number; readonly heads: ReadonlyMap<string, HeadJob[]> }
> {
  const rows = await tx.query<
    { nowMs: number; laneId: string | null; jobId: string; weights: number[] }
  >(sql`
    with head as materialized (
      select job.*
      from unnest(
        ${lanes.map((lane) => lane.id)}::uuid[],
        ${lanes.map((lane) => Math.min(lane.room, headsMax))}::integer[]
      ) with ordinality as lane (id, most, place)
      cross join lateral (
        select lane_id, job_id, priority, weights
        from yardmaster.limited
        where limited.lane_id = lane.id
        order by priority, job_id
        limit lane.most
        for update skip locked
      ) as job
    )
    select ${epochMs(tx.now)} as "nowMs", head.lane_id::text as "laneId",
      head.job_id::text as "jobId", head.weights
    from (select) as one
    left join head on true
    order by head.priority, head.job_id
  `);
  const heads = new Map<string, HeadJob[]>();
  for (const { laneId, jobId, weights } of rows) {
    if (laneId === null) continue;
    const lane = heads.get(laneId);
    if (lane === undefined) heads.set(laneId, [{ jobId, weights }]);
    else lane.push({ jobId, weights });
  }
  return { nowMs: rows[0]?.nowMs ?? 0, heads };
}

/**
 * The jobs of the leases that a CTE `given` names. Each lease is taken apart once:
 * to look into its list for each job would read a thousand ids a thousand times.
 */
export const HELD_BY_LEASES: Sql = sql`
  held as materialized (
    select leases.id as lease_id, run.job_id
    from yardmaster.leases
    cross join lateral unnest(leases.job_ids) as run (job_id)
    where leases.id = any (array(select lease_id from given))
  )
`;

/** What live leases hold of the partitions of concurrency. */
export async function readGrants(
  tx: Database,
  partitions: readonly LockedPartition[],
): Promise<ReadonlyMap<string, number>> {
  const counted = partitions.filter(({ kind }) => kind === "concurrency");
  if (counted.length === 0) return new Map();
  const rows = await tx.query<PartitionRef & { used: number }>(sql`
    with given as materialized (
      select given.limiter, given.key, given.lease_id, given.job_id,
        given.weight
      from unnest(
        ${counted.map(({ limiter }) => limiter)}::text[],
        ${counted.map(({ key }) => key)}::text[]
      ) as part (limiter, key)
      join yardmaster.limiter_grants as given using (limiter, key)
    ),
    ${HELD_BY_LEASES}
    select limiter, key, sum(weight)::integer as "used"
    from given
    join held using (lease_id, job_id)
    group by limiter, key
  `);
  return new Map(rows.map((row) => [partitionId(row), row.used]));
}

/** The rule by which a partition counts. */
export function ruleOf({ kind, capacity, perMs }: LimiterRule): LimiterRule {
  return { kind, capacity, perMs };
}

/** How a partition stands, with what is used of it. */
export function stateOf(part: LockedPartition, used: number): PartitionState {
  return {
    used,
    countedMs: part.countedMs,
    cooldown: part.cooldownMs === null
      ? null
      : { untilMs: part.cooldownMs, reason: part.cooldownReason ?? "" },
  };
}
