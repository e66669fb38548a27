/** What a claim of limited jobs reads once it holds what it decides about. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import {
  type LaneJob,
  partitionId,
  type PartitionRef,
} from "../domain/limiter_turns.ts";
import {
  epochMs,
  HELD_BY_LEASES,
  type LockedLane,
  type LockedTurn,
} from "./limited_locks.ts";

/** As many as it can take and half as many again: lanes are not of one length. */
const HEADS_SHARE = 1.5;
/** Jobs of a lane among many. */
const HEADS_LEAST = 5;

/** The first jobs of a lane, and how many were asked for. */
export interface Head {
  readonly lane: LockedLane;
  readonly jobs: readonly LaneJob[];
  readonly most: number;
}

/** What is known when it is decided. */
export interface Counted {
  /** After everything was held. */
  readonly nowMs: number;
  /** By the ids of the lanes, in their order. */
  readonly heads: ReadonlyMap<string, Head>;
  /** What live leases hold, by the ids of the partitions of concurrency. */
  readonly granted: ReadonlyMap<string, number>;
}

/** The ids of the first jobs of one lane, and their weights. */
type HeadCells = readonly [place: number, jobIds: string, weights: string];

/**
 * Reads and holds the first jobs of each lane, counts what live leases hold of
 * partitions of concurrency, and says what time it is by now.
 */
export async function readHeads(
  tx: Database,
  { lanes, partitions }: LockedTurn,
): Promise<Counted> {
  const most = mostOf({ lanes, partitions });
  const counted = partitions.filter(({ kind }) => kind === "concurrency");
  const [row] = await tx.query<{
    nowMs: number;
    heads: readonly HeadCells[];
    grants: readonly (PartitionRef & { readonly used: number })[];
  }>(
    sql`
    with head as materialized (
      select lane.place, job.*
      from unnest(
        (select ${lanes.map((lane) => lane.id)}::uuid[]),
        (select ${most}::integer[])
      ) with ordinality as lane (id, most, place)
      cross join lateral (
        select job_id, priority, weights
        from yardmaster.limited
        where limited.lane_id = lane.id
        order by priority, job_id
        limit lane.most
        for update skip locked
      ) as job
    ),
    ${counted.length > 0 ? grantsOf(counted) : sql``}
    lane as (
      select place,
        string_agg(job_id::text, ',' order by priority, job_id) as job_ids,
        string_agg(
          array_to_string(weights, ' '), ',' order by priority, job_id
        ) as weights
      from head
      group by place
    )
    select ${epochMs(tx.now)} as "nowMs",
      coalesce((
        select json_agg(json_build_array(place, job_ids, weights)) from lane
      ), '[]') as "heads",
      ${
      counted.length > 0
        ? sql`
        coalesce((select json_agg(granted) from granted), '[]')
      `
        : sql`'[]'::json`
    } as "grants"
  `,
    { hot: true },
  );
  const jobs = new Map(row?.heads.map((cells) => [cells[0], toJobs(cells)]));
  return {
    nowMs: row?.nowMs ?? 0,
    heads: new Map(lanes.map((lane, index) => [lane.id, {
      lane,
      jobs: jobs.get(index + 1) ?? [],
      most: most[index] ?? 0,
    }])),
    granted: new Map(row?.grants.map((each) => [partitionId(each), each.used])),
  };
}

function toJobs([_, jobIds, weights]: HeadCells): LaneJob[] {
  const each = weights.split(",");
  return jobIds.split(",").map((jobId, index) => ({
    jobId,
    weights: each[index]?.split(" ").map(Number) ?? [],
  }));
}

/**
 * Jobs to read of each lane: no more than its limiters let start at a time, as
 * each takes 1 at least, and the one behind these, which is blocked.
 */
function mostOf({ lanes, partitions }: LockedTurn): number[] {
  const capacities = new Map(
    partitions.map(({ limiter, capacity }) => [limiter, capacity]),
  );
  const rooms = new Map(lanes.map(({ queue, room }) => [queue, room]));
  const room = [...rooms.values()].reduce((all, each) => all + each, 0);
  const share = Math.ceil(room * HEADS_SHARE / lanes.length);
  const most = Math.max(share, HEADS_LEAST);
  return lanes.map(({ room, limiters }) => {
    const least = limiters.map((limiter) =>
      (capacities.get(limiter) ?? most) + 1
    );
    return Math.min(room, most, ...least);
  });
}

function grantsOf(counted: readonly PartitionRef[]) {
  return sql`
    given as materialized (
      select part.limiter, part.key, given.lease_id, given.job_id, given.weight
      from unnest(
        (select ${counted.map(({ limiter }) => limiter)}::text[]),
        (select ${counted.map(({ key }) => key)}::text[])
      ) as part (limiter, key)
      -- By the index, whatever the plan is made for.
      cross join lateral (
        select lease_id, job_id, weight
        from yardmaster.limiter_grants as given
        where given.limiter = part.limiter and given.key = part.key
        offset 0
      ) as given
    ),
    ${HELD_BY_LEASES},
    granted as (
      select limiter, key, sum(weight)::integer as used
      from given
      join held using (lease_id, job_id)
      group by limiter, key
    ),
  `;
}
