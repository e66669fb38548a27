/** Claims of jobs that wait for limiters, in one transaction. */
import type { Database } from "../db/database.ts";
import type { JobId } from "../domain/job.ts";
import type { PartitionState } from "../domain/limiter_admission.ts";
import {
  type Lane,
  partitionId,
  serveInTurn,
} from "../domain/limiter_turns.ts";
import type { ClaimDemand, ClaimedJob } from "./leases.ts";
import { type Head, readHeads } from "./limited_heads.ts";
import {
  LANES_LEAST,
  type LockedPartition,
  lockTurn,
  ruleOf,
  stateOf,
} from "./limited_locks.ts";
import { applyTurns, grantsOf } from "./limited_turns.ts";

/** What a claim found. */
export interface LimitedClaim {
  readonly jobs: readonly ClaimedJob[];
  /** Of these, what holds grants: somebody is to hear when they end. */
  readonly granted: ReadonlySet<JobId>;
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
    const turn = await lockTurn(tx, demand);
    const { lanes, partitions } = turn;
    if (lanes.length === 0) {
      return { jobs: [], granted: new Set(), isDry: true };
    }
    const held = new Set(partitions.map(partitionId));
    const { nowMs, heads, granted } = await readHeads(tx, turn);
    const states = stateMap(partitions, granted);
    const rules = new Map(
      partitions.map((each) => [each.limiter, ruleOf(each)]),
    );
    const turns = serveInTurn({
      // A partition that is missing was idle, and pruned at this moment: the
      // next claim makes it anew.
      lanes: [...heads.values()].map(toLane).filter((lane) =>
        lane.partitions.every((each) => held.has(partitionId(each)))
      ),
      rules,
      states,
      room: new Map(lanes.map(({ queue, room }) => [queue, room])),
      nowMs,
    });
    const applied = { demand, nowMs, turns, rules, states, heads };
    const grants = grantsOf(applied);
    const jobs = await applyTurns(tx, { ...applied, grants });
    return {
      jobs,
      granted: new Set(grants.map(({ jobId }) => jobId)),
      isDry: lanes.length < LANES_LEAST && jobs.length === 0,
    };
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

function toLane({ lane, jobs }: Head): Lane {
  return {
    id: lane.id,
    queue: lane.queue,
    partitions: lane.limiters.map((limiter, index) => {
      return { limiter, key: lane.keys[index] ?? "" };
    }),
    jobs,
  };
}
