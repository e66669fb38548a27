/** Claims of jobs that wait for limiters, in one transaction. */
import type { Database } from "../db/database.ts";
import type { PartitionState } from "../domain/limiter_admission.ts";
import {
  type Lane,
  partitionId,
  serveInTurn,
} from "../domain/limiter_turns.ts";
import type { ClaimDemand, ClaimedJob } from "./leases.ts";
import {
  type HeadJob,
  LANES_MAX,
  type LockedLane,
  type LockedPartition,
  lockLanes,
  lockPartitions,
  readGrants,
  readHeads,
  ruleOf,
  stateOf,
} from "./limited_locks.ts";
import { applyTurns } from "./limited_turns.ts";

/** Jobs of all lanes that one claim reads. */
const HEADS_MAX = 2_000;

/** What a claim found. */
export interface LimitedClaim {
  readonly jobs: readonly ClaimedJob[];
  /** Lanes that it looked at; with all it may look at, there may be more. */
  readonly isDry: boolean;
}

/**
 * Claims jobs that wait for limiters, as many as these allow, of each lane in
 * turn. They become one lease.
 *
 * It decides by the rules of the domain while it holds the lanes and their
 * partitions, which every other that decides must hold too; and it counts only
 * after it holds them, in a statement of its own, or it would not see what was
 * granted while it waited.
 */
export async function claimLimitedJobs(
  db: Database,
  demand: ClaimDemand,
): Promise<LimitedClaim> {
  return await db.transaction(async (tx) => {
    const lanes = await lockLanes(tx, demand);
    if (lanes.length === 0) return { jobs: [], isDry: true };
    const partitions = await lockPartitions(tx, lanes);
    const held = new Set(partitions.map(partitionId));
    const headsMax = Math.max(Math.floor(HEADS_MAX / lanes.length), 10);
    const { nowMs, heads } = await readHeads(tx, { lanes, headsMax });
    const states = stateMap(partitions, await readGrants(tx, partitions));
    const rules = new Map(
      partitions.map((each) => [each.limiter, ruleOf(each)]),
    );
    const turns = serveInTurn({
      // A partition that is missing was idle, and pruned at this moment: the
      // next claim makes it anew.
      lanes: lanes.map((lane) => toLane(lane, heads.get(lane.id)))
        .filter((lane) =>
          lane.partitions.every((each) => held.has(partitionId(each)))
        ),
      rules,
      states,
      room: new Map(lanes.map(({ queue, room }) => [queue, room])),
      nowMs,
    });
    const jobs = await applyTurns(tx, {
      executorId: demand.executorId,
      nowMs,
      lanes,
      turns,
      rules,
      states,
      heads,
      headsMax,
    });
    return { jobs, isDry: lanes.length < LANES_MAX && jobs.length === 0 };
  });
}

function stateMap(
  partitions: readonly LockedPartition[],
  granted: ReadonlyMap<string, number>,
): Map<string, PartitionState> {
  return new Map(partitions.map((part) => {
    const id = partitionId(part);
    const used = part.kind === "concurrency" ? granted.get(id) ?? 0 : part.used;
    return [id, stateOf(part, used)];
  }));
}

function toLane(lane: LockedLane, jobs: readonly HeadJob[] = []): Lane {
  return {
    id: lane.id,
    queue: lane.queue,
    partitions: lane.limiters.map((limiter, index) => {
      return { limiter, key: lane.keys[index] ?? "" };
    }),
    jobs,
  };
}
