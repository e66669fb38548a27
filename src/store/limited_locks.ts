/** What a claim of limited jobs holds while it decides. */
import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";
import type { LimiterRule } from "../domain/limiter.ts";
import type { PartitionState } from "../domain/limiter_admission.ts";
import type { PartitionRef } from "../domain/limiter_turns.ts";
import type { ClaimDemand } from "./leases.ts";

/** Lanes that one claim looks at. */
export const LANES_MAX = 200;
/** Of a queue that takes few jobs: as some of them may be blocked. */
export const LANES_LEAST = 50;

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

/** What a claim holds while it decides. */
export interface LockedTurn {
  readonly lanes: readonly LockedLane[];
  readonly partitions: readonly LockedPartition[];
}

/**
 * Holds the lanes whose turn it is, and then their partitions, in order. Who uses
 * one for the first time must be able to hold it: then this statement makes the
 * rows, which it can not see itself, and another holds all of them.
 *
 * What follows in the transaction is named, and planned once for all: not for
 * tables that were all but empty just then, as these are most of the time. Nothing
 * in it gains from reading one of them from end to end. This statement itself is
 * planned each time.
 */
export async function lockTurn(
  tx: Database,
  { executorId, workers, queues }: ClaimDemand,
): Promise<LockedTurn> {
  const [turn = { lanes: [], partitions: [] }] = await tx.query<LockedTurn>(sql`
    with wanted as materialized (
      select demand.queue, least(
        coalesce(queues.chosen_limit, demand.declared_limit)
          + demand.prefetch - demand.held,
        demand.most
      ) as room
      from unnest(
        (select ${queues.map((demand) => demand.queue)}::text[]),
        (select ${queues.map((demand) => demand.declaredLimit)}::integer[]),
        (select ${queues.map((demand) => demand.held)}::integer[]),
        (select ${queues.map((demand) => demand.prefetch)}::integer[]),
        (select ${queues.map((demand) => demand.most)}::integer[])
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
      cross join unnest((select ${[...workers]}::text[])) as worker (name)
      cross join lateral (
        select id, queue, worker, limiters, keys, looks, look_at
        from yardmaster.lanes
        where lanes.queue = wanted.queue
          and lanes.worker = worker.name
          and lanes.look_at <= ${tx.now}
        order by look_at, id
        limit least(
          greatest(wanted.room, ${LANES_LEAST}::integer),
          ${LANES_MAX}::integer
        )
        for update skip locked
      ) as lane
      where wanted.room > 0
      order by lane.look_at, lane.id
      limit ${LANES_MAX}
    ),
    part as materialized (
      -- Of each by the index, however many there are.
      select limiter, key, (
        select true from yardmaster.limiter_partitions as known
        where known.limiter = part.limiter and known.key = part.key
      ) is not null as is_known
      from (
        select distinct each.limiter, each.key
        from turn
        cross join unnest(turn.limiters, turn.keys) as each (limiter, key)
      ) as part
      -- In order, as they are held: nobody waits for each other.
      order by limiter, key
    ),
    first_used as (
      insert into yardmaster.limiter_partitions (
        limiter, key, used, counted_at
      )
      select limiter, key, 0, ${tx.now}
      from part
      where not is_known
      order by limiter, key
      on conflict do nothing
    ),
    held as materialized (
      select known.*
      from part
      -- A row at a time, in their order, and by the index whatever the plan.
      cross join lateral (
        select *
        from yardmaster.limiter_partitions as known
        where known.limiter = part.limiter and known.key = part.key
        for update
      ) as known
      -- All of them or none: what is held later would be out of order.
      where not exists (select from part where not is_known)
    )
    select
      coalesce((
        select json_agg(json_build_object(
          'id', id, 'queue', queue, 'worker', worker, 'limiters', limiters,
          'keys', keys, 'looks', looks, 'room', room
        ) order by look_at, id)
        from turn
      ), '[]') as "lanes",
      coalesce((
        select json_agg(json_build_object(
          'limiter', limiter, 'key', key, 'kind', kind, 'capacity', capacity,
          'perMs', per_ms, 'isPartitioned', is_partitioned, 'used', used,
          'countedMs', counted_ms, 'cooldownMs', cooldown_ms,
          'cooldownReason', cooldown_reason
        ))
        from (${withRules(sql`held`)}) as part
      ), '[]') as "partitions",
      set_config('enable_seqscan', 'off', true)
  `);
  const { lanes, partitions } = turn;
  return lanes.length === 0 || partitions.length > 0
    ? turn
    : { lanes, partitions: await lockPartitions(tx, lanes) };
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
    select limiter, key, kind as "kind", capacity, per_ms as "perMs",
      is_partitioned as "isPartitioned", used, counted_ms as "countedMs",
      cooldown_ms as "cooldownMs", cooldown_reason as "cooldownReason"
    from (${withRules(sql`held`)}) as part
  `);
}

/** Partitions with the rules of their limiters. */
function withRules(held: Sql): Sql {
  return sql`
    select held.limiter, held.key, known.kind::text as kind,
      coalesce(known.chosen_capacity, known.declared_capacity) as capacity,
      known.per_ms, known.partition_by is not null as is_partitioned,
      held.used, ${epochMs(sql`held.counted_at`)} as counted_ms,
      ${epochMs(sql`greatest(held.cooldown_until, known.cooldown_until)`)}
        as cooldown_ms,
      case
        when known.cooldown_until >= coalesce(
          held.cooldown_until, known.cooldown_until
        ) then known.cooldown_reason
        else held.cooldown_reason
      end as cooldown_reason
    from ${held} as held
    join yardmaster.limiters as known on known.name = held.limiter
  `;
}

/** An instant as milliseconds since 1970. */
export function epochMs(at: Sql): Sql {
  return sql`(extract(epoch from ${at}) * 1000)::float8`;
}

/**
 * The jobs of the leases that a CTE `given` names. Each lease is taken apart once:
 * to look into its list for each job would read a thousand ids a thousand times.
 * And it is named once: where all leases are read, each is held against the list.
 */
export const HELD_BY_LEASES: Sql = sql`
  held as materialized (
    select leases.id as lease_id, run.job_id
    from yardmaster.leases
    cross join lateral unnest(leases.job_ids) as run (job_id)
    where leases.id = any (array(select distinct lease_id from given))
  )
`;

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
