/** Lanes: which come into being, which wait, and which are worth a look. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import type { PartitionRef } from "../domain/limiter_turns.ts";
import { HELD_BY_LEASES } from "./limited_locks.ts";

/** A partition in which something has ended. */
export interface FreedPartition extends PartitionRef {
  /** So much of it is free now. */
  readonly room: number;
}

/** What has ended of what a process ran. */
export interface Release {
  readonly freed: readonly FreedPartition[];
  /** Their end is not written yet: ask again. */
  readonly held: readonly JobId[];
}

/**
 * Takes grants away whose leases let go of their jobs. It waits for claims that
 * decide about the same partitions at this moment: what they leave blocked can
 * then be woken, and is not overlooked.
 *
 * @param jobIds Jobs that have ended here.
 */
export async function releaseGrants(
  db: Database,
  jobIds: readonly JobId[],
): Promise<Release> {
  if (jobIds.length === 0) return { freed: [], held: [] };
  const rows = await db.query<
    { limiter: string; key: string; room: number; held: JobId[] }
  >(sql`
    with given as materialized (
      select limiter, key, lease_id, job_id, ctid as place
      from yardmaster.limiter_grants
      where job_id = any (${[...jobIds]}::bigint[])
    ),
    ${HELD_BY_LEASES},
    grants as materialized (
      select given.*, held.job_id is not null as is_held
      from given
      left join held using (lease_id, job_id)
    ),
    ended as (
      delete from yardmaster.limiter_grants
      where ctid = any (array(select place from grants where not is_held))
      returning limiter, key, weight
    ),
    freed as materialized (
      select limiter, key, sum(weight)::integer as room
      from ended
      group by limiter, key
    ),
    waited as materialized (
      select counted.limiter, counted.key
      from yardmaster.limiter_partitions as counted
      where (counted.limiter, counted.key) in (select limiter, key from freed)
      order by counted.limiter, counted.key
      for update
    )
    select freed.limiter, freed.key, freed.room, array(
      select distinct job_id from grants where is_held
    ) as "held"
    from freed
    left join waited using (limiter, key)
    union all
    select null, null, 0, array(
      select distinct job_id from grants where is_held
    )
    where not exists (select from freed)
  `);
  return {
    freed: rows.flatMap(({ limiter, key, room }) =>
      limiter === null ? [] : [{ limiter, key, room }]
    ),
    held: rows[0]?.held ?? [],
  };
}

/** Which lanes a process looks for. */
export interface LaneLook {
  readonly queues: readonly string[];
  readonly workers: readonly string[];
  readonly freed: readonly FreedPartition[];
}

/** Whether it is worth a claim. */
export interface LanesSeen {
  /** Until the next lane may be looked at: 0 or less for now, null for never. */
  readonly nextInMs: number | null;
  /** There are more arrivals than one look takes. */
  readonly hasMore: boolean;
}

/** Arrivals that one look takes. */
const ARRIVALS_MAX = 2_000;

/**
 * Makes lanes of what arrived, wakes those that wait for what was freed, in
 * their order, and says when there is something to claim.
 */
export async function lookAtLanes(
  db: Database,
  { queues, workers, freed }: LaneLook,
): Promise<LanesSeen> {
  const rows = await db.query<LanesSeen>(sql`
    with arrived as (
      delete from yardmaster.lane_arrivals
      where ctid = any (array(
        select ctid
        from yardmaster.lane_arrivals
        where worker = any (${[...workers]}::text[])
        limit ${ARRIVALS_MAX}
        for update skip locked
      ))
      returning lane_id, queue, worker, limiters, keys
    ),
    opened as (
      insert into yardmaster.lanes as lane (
        id, queue, worker, limiters, keys, look_at, looks
      )
      select distinct on (lane_id)
        lane_id, queue, worker, limiters, keys, ${db.now}, 0
      from arrived
      -- In order, so that two looks can not lock each other out.
      order by lane_id
      -- It writes nothing and still waits: a claim that found the lane empty may
      -- be taking it away, and then it is made anew.
      on conflict (id) do update set looks = 0 where false
      returning id
    ),
    woken as (
      update yardmaster.lanes
      set look_at = ${db.now}
      where id = any (array(
        select lane.id
        from unnest(
          ${freed.map(({ limiter }) => limiter)}::text[],
          ${freed.map(({ key }) => key)}::text[],
          ${freed.map(({ room }) => room)}::integer[]
        ) as freed (limiter, key, room)
        cross join lateral (
          select id
          from yardmaster.lanes
          where blocked_limiter = freed.limiter
            and blocked_key = freed.key
            -- After the lanes were made: one that is woken in this statement
            -- could not be met there any more.
            and (select count(*) from opened) >= 0
            and look_at > ${db.now}
          order by look_at
          limit freed.room
          for update skip locked
        ) as lane
      ))
      returning id
    )
    select
      case
        when exists (select from opened) or exists (select from woken) then 0
        else (
          select (extract(epoch from min(first.look_at) - ${db.now}) * 1000)
            ::float8
          from unnest(${[...queues]}::text[]) as queue (name)
          cross join unnest(${[...workers]}::text[]) as worker (name)
          cross join lateral (
            select look_at
            from yardmaster.lanes
            where lanes.queue = queue.name and lanes.worker = worker.name
            order by look_at
            limit 1
          ) as first
        )
      end as "nextInMs",
      (select count(*) from arrived) = ${ARRIVALS_MAX} as "hasMore"
  `);
  return rows[0] ?? { nextInMs: null, hasMore: false };
}
