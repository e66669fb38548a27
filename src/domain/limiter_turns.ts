import {
  admit,
  eligibleMs,
  type PartitionState,
  UNUSED,
} from "./limiter_admission.ts";
import type { LimiterRule } from "./limiter.ts";

/** One partition of one limiter. */
export interface PartitionRef {
  readonly limiter: string;
  readonly key: string;
}

/**
 * Jobs that wait for the same partitions, in the order in which they start. A
 * blocked first one holds up the rest: else a heavy job would never start.
 */
export interface Lane {
  readonly id: string;
  readonly queue: string;
  readonly partitions: readonly PartitionRef[];
  readonly jobs: readonly LaneJob[];
}

/** A job, with what it takes of each partition of its lane. */
export interface LaneJob {
  readonly jobId: string;
  readonly weights: readonly number[];
}

/** What to decide about. */
export interface TurnsAsked {
  /** In the order in which it is their turn. */
  readonly lanes: readonly Lane[];
  readonly rules: ReadonlyMap<string, LimiterRule>;
  readonly states: ReadonlyMap<string, PartitionState>;
  /** Jobs that each queue takes now. */
  readonly room: ReadonlyMap<string, number>;
  readonly nowMs: number;
}

/** What a lane waits for. */
export interface LaneBlock extends PartitionRef {
  readonly code: "cooldown" | "limit_reached";
  /** When it is worth another look; `null`: when one that runs has ended. */
  readonly eligibleMs: number | null;
  /** At the instant of the decision. */
  readonly used: number;
}

/** What became of a lane. */
export interface LaneTurn {
  readonly id: string;
  readonly served: readonly string[];
  readonly block: LaneBlock | null;
  /** Its turn is still to come: there was no room for it. */
  readonly waits: boolean;
}

/** What was decided. */
export interface Turns {
  readonly lanes: readonly LaneTurn[];
  /** Partitions of which something was taken, as they stand then. */
  readonly states: ReadonlyMap<string, PartitionState>;
}

/** The key of a partition in a map. */
export function partitionId({ limiter, key }: PartitionRef): string {
  return JSON.stringify([limiter, key]);
}

interface Turning {
  readonly lane: Lane;
  readonly served: string[];
  block: LaneBlock | null;
}

/**
 * Admits jobs, one of each lane in turn, until there is no room or every lane is
 * blocked or empty. A blocked lane takes nothing from the others: what it waits
 * for is not reserved, but each further lane that waits for the same partition is
 * told to look again so much later, or all would come back at once.
 */
export function serveInTurn(asked: TurnsAsked): Turns {
  const states = new Map(asked.states);
  const room = new Map(asked.room);
  const line = new Map<string, number>();
  const turns: Turning[] = asked.lanes.map((lane) => {
    return { lane, served: [], block: null };
  });
  let open = turns;
  while (open.length > 0) {
    const next: Turning[] = [];
    for (const turn of open) {
      const { lane, served } = turn;
      const job = lane.jobs[served.length];
      const left = room.get(lane.queue) ?? 0;
      if (job === undefined || left <= 0) continue;
      const { partitions } = lane;
      const { weights } = job;
      const blocks = takeAll(states, { ...asked, partitions, weights });
      if (blocks.length > 0) {
        turn.block = hardest(asked, { lane, job, blocks, line });
        continue;
      }
      served.push(job.jobId);
      room.set(lane.queue, left - 1);
      next.push(turn);
    }
    open = next;
  }
  const lanes = turns.map(({ lane, served, block }) => {
    return {
      id: lane.id,
      served,
      block,
      waits: block === null && served.length === 0 && lane.jobs.length > 0,
    };
  });
  const changed = [...states].filter(([id, state]) =>
    state !== asked.states.get(id)
  );
  return { lanes, states: new Map(changed) };
}

/** What one job takes, of which partitions. */
export interface Taking {
  readonly partitions: readonly PartitionRef[];
  readonly weights: readonly number[];
  readonly rules: ReadonlyMap<string, LimiterRule>;
  readonly nowMs: number;
}

/**
 * Takes from all partitions of a job, or from none and answers what is full.
 *
 * @param states Is changed when it takes.
 */
export function takeAll(
  states: Map<string, PartitionState>,
  { partitions, weights, rules, nowMs }: Taking,
): LaneBlock[] {
  const taken = new Map<string, PartitionState>();
  const blocks: LaneBlock[] = [];
  for (const [index, partition] of partitions.entries()) {
    const rule = rules.get(partition.limiter);
    if (rule === undefined) continue;
    const id = partitionId(partition);
    const state = states.get(id) ?? UNUSED;
    const weight = weights[index] ?? 1;
    const admission = admit(rule, { state, weight, nowMs });
    if (admission.ok) {
      const { used, countedMs } = admission;
      taken.set(id, { ...state, used, countedMs });
    } else {
      const { code, eligibleMs, used } = admission;
      blocks.push({ ...partition, code, eligibleMs, used });
    }
  }
  if (blocks.length > 0) return blocks;
  for (const [id, state] of taken) states.set(id, state);
  return [];
}

interface Blocked {
  readonly lane: Lane;
  readonly job: LaneJob;
  readonly blocks: readonly LaneBlock[];
  readonly line: Map<string, number>;
}

/** The block that lasts longest, as far as that is known. */
function hardest(
  { rules, states }: TurnsAsked,
  { lane, job, blocks, line }: Blocked,
): LaneBlock {
  const sorted = blocks.toSorted((left, right) =>
    (right.eligibleMs ?? 0) - (left.eligibleMs ?? 0)
  );
  const [block] = sorted as [LaneBlock, ...LaneBlock[]];
  const rule = rules.get(block.limiter);
  if (
    rule === undefined || block.eligibleMs === null || block.code === "cooldown"
  ) {
    return block;
  }
  const id = partitionId(block);
  const ahead = line.get(id) ?? 0;
  const index = lane.partitions.findIndex((each) => partitionId(each) === id);
  line.set(id, ahead + Math.min(job.weights[index] ?? 1, rule.capacity));
  if (ahead === 0) return block;
  const { countedMs } = states.get(id) ?? UNUSED;
  const later = eligibleMs(rule, {
    countedMs,
    nowMs: block.eligibleMs,
    excess: ahead,
  });
  return { ...block, eligibleMs: later };
}
