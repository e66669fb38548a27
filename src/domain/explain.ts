/**
 * Why a job is where it is: one function, over one set of facts. Pages, the
 * command line and `yard.explain` all say what it says.
 */
import type { Action } from "./action.ts";
import type { JobDiagnosis } from "./diagnosis.ts";
import { estimateWait } from "./explain_estimate.ts";
import type { ExplainFacts } from "./explain_facts.ts";
import { laneReasons } from "./explain_lane.ts";
import { isAlive, takersOf } from "./explain_places.ts";
import type { Evidence, Reason } from "./explain_reason.ts";
import { CANCEL_FROM, DISCARD_FROM, RETRY_FROM } from "./job.ts";
import type { JobState } from "./state.ts";

/** Why a job is where it is. */
export interface Explanation {
  /** All there are; the first is the one to begin with. */
  readonly reasons: readonly [Reason, ...Reason[]];
  /** Nothing holds it up: the next claim of a healthy executor takes it. */
  readonly runnable: boolean;
  /** When it runs at the earliest; null: that is not known, or it never does. */
  readonly earliestAt: Date | null;
  /** What an operator can do to it or to its queue as they stand. */
  readonly legal: readonly Action[];
}

/** A due job is staged within a second; a minute means that nobody does it. */
const STAGE_GRACE_MS = 60_000;

/** Tells why a job is where it is. */
export function explainJob(facts: ExplainFacts): Explanation {
  const reasons = reasonsOf(facts);
  return {
    reasons,
    runnable: reasons[0].code === "job_ready",
    earliestAt: earliestOf(reasons, facts.at),
    legal: legalActions(facts.job.state, facts.queue),
  };
}

type Reasons = Explanation["reasons"];

function reasonsOf(facts: ExplainFacts): Reasons {
  switch (facts.job.state) {
    case "suspended":
      return [because("job_suspended", {})];
    case "scheduled":
    case "retryable":
    case "available":
      return waitingReasons(facts);
    case "executing":
      return [runningReason(facts)];
    case "completed":
    case "cancelled":
    case "discarded":
      return [endedReason(facts)];
  }
}

function because<Code extends JobDiagnosis>(
  code: Code,
  evidence: Evidence[Code],
): Reason {
  // Each code comes with its own evidence: the parameters say so.
  return { code, evidence } as Reason;
}

/** Everything that holds a waiting job up, not only what comes first. */
function waitingReasons(facts: ExplainFacts): Reasons {
  const { job, at, queue } = facts;
  const found: Reason[] = [
    ...timeReasons(facts),
    ...queue.pausedAt === null ? [] : [because("job_queue_paused", {
      queue: queue.name,
      pausedAt: queue.pausedAt,
      pausedBy: queue.pausedBy,
    })],
    ...laneReasons(facts.lane),
    ...serviceReasons(facts),
  ];
  const [first, ...more] = found;
  if (first !== undefined) return [first, ...more];
  if (facts.lane !== null) {
    const { limiters } = facts.lane;
    return [because("job_lane_turn", { limiters })];
  }
  if (job.state === "available") {
    const ahead = facts.turn?.ahead.count ?? 0;
    return [because("job_ready", { queue: queue.name, ahead })];
  }
  return [because("job_due", { runAt: job.runAt ?? at })];
}

/** When it may be claimed, and whether it is too late by then. */
function timeReasons({ job, at }: ExplainFacts): Reason[] {
  const { state, attempt, maxAttempts, deadlineAt } = job;
  const runAt = state === "available" ? null : job.runAt;
  const isLater = runAt !== null && runAt > at;
  const isOverdue = runAt !== null &&
    at.getTime() - runAt.getTime() > STAGE_GRACE_MS;
  const overdue = isOverdue ? [because("job_overdue", { runAt })] : [];
  if (deadlineAt !== null && deadlineAt <= at) {
    return [because("job_deadline_passed", { deadlineAt }), ...overdue];
  }
  if (!isLater) return overdue;
  if (deadlineAt !== null && deadlineAt <= runAt) {
    return [because("job_deadline_first", { deadlineAt, runAt })];
  }
  return state === "retryable"
    ? [because("job_retryable", { runAt, attempt, maxAttempts })]
    : [because("job_scheduled", { runAt })];
}

/** Who could take it; and, once it is ready, whether they have a place. */
function serviceReasons(facts: ExplainFacts): Reason[] {
  const { job, queue, serving } = facts;
  const takers = takersOf(job.worker, { queue, serving });
  if (takers.alive === 0) {
    return [
      because("job_unserved", {
        queue: queue.name,
        lastSeen: lastSeenOf(facts),
      }),
    ];
  }
  if (takers.takers.length === 0) {
    return [because("job_worker_unknown", {
      queue: queue.name,
      worker: job.worker,
      executors: takers.alive,
    })];
  }
  // A paused queue gives nothing out, so its order says nothing.
  return job.state === "available" && queue.pausedAt === null
    ? placeReasons(facts, takers)
    : [];
}

function lastSeenOf(
  { serving, lastStopped }: ExplainFacts,
): Evidence["job_unserved"]["lastSeen"] {
  const missing = serving.find((executor) => !isAlive(executor));
  if (
    lastStopped !== null &&
    (missing === undefined || lastStopped.at > missing.beatAt)
  ) {
    const { name, at } = lastStopped;
    return { executor: name, at, health: "stopped" };
  }
  return missing === undefined
    ? null
    : { executor: missing.name, at: missing.beatAt, health: "missing" };
}

function placeReasons(
  { queue, turn }: ExplainFacts,
  { takers, places, taken, free, freeLate, holders }: ReturnType<
    typeof takersOf
  >,
): Reason[] {
  const ahead = turn?.ahead ?? { count: 0, precision: "exact" };
  const full = places !== null && free + freeLate === 0
    ? [because("job_queue_full", {
      queue: queue.name,
      places,
      taken,
      holders: holders.filter(({ held, limit }) => held >= limit),
    })]
    : [];
  const late = takers.find(({ health }) => health === "late");
  const onlyLate = free === 0 && freeLate > 0 && late !== undefined
    ? [because("job_served_late", {
      queue: queue.name,
      executor: late.name,
      beatAt: late.beatAt,
    })]
    : [];
  const isBehind = ahead.precision !== "exact" ||
    ahead.count > 0 && ahead.count >= free;
  if (!isBehind) return [...full, ...onlyLate];
  const behind = because("job_behind", {
    queue: queue.name,
    ahead,
    freePlaces: free === Infinity ? 0 : free,
    estimate: estimateWait(ahead, turn?.pace ?? null),
  });
  // With more before it than there are places at all, the turn is what matters.
  return ahead.count >= (places ?? 0)
    ? [behind, ...full, ...onlyLate]
    : [...full, ...onlyLate, behind];
}

function runningReason({ job, holder, at }: ExplainFacts): Reason {
  const { attempt, maxAttempts } = job;
  const claimedAt = job.claimedAt ?? at;
  const run = { attempt, maxAttempts, claimedAt };
  if (holder === null || !isAlive(holder)) {
    return because("job_executor_missing", {
      ...run,
      executor: holder?.name ?? null,
      beatAt: holder?.beatAt ?? null,
    });
  }
  const { name: executor, beatAt } = holder;
  return holder.health === "late"
    ? because("job_executor_late", { ...run, executor, beatAt })
    : because("job_running", { ...run, executor });
}

function endedReason({ job, lastEvent, supersededBy, at }: ExplainFacts) {
  const { attempt, maxAttempts, cronEntry, deadlineAt } = job;
  const on = { attempt, maxAttempts, at: job.finishedAt ?? at };
  const by = lastEvent?.principal ?? null;
  if (job.state === "completed") {
    return because("job_completed", { ...on, tookMs: job.tookMs });
  }
  if (lastEvent?.kind === "expired") {
    return because("job_expired", { at: on.at, deadlineAt });
  }
  if (job.state === "cancelled") {
    return cronEntry !== null && supersededBy !== null
      ? because("job_superseded", { at: on.at, cronEntry, ...supersededBy })
      : because("job_cancelled", {
        at: on.at,
        by: lastEvent?.kind === "cancelled" ? by : null,
      });
  }
  switch (lastEvent?.kind) {
    case "failed":
    case "timed_out":
    case "rescued":
      return because("job_exhausted", { ...on, how: lastEvent.kind });
    default:
      return because("job_discarded", {
        ...on,
        by: lastEvent?.kind === "discarded" ? by : null,
      });
  }
}

/** The latest of the earliest, if each reason has one. */
function earliestOf(reasons: Reasons, at: Date): Date | null {
  const all = reasons.map((reason) => reasonEarliestAt(reason, at));
  let latest: Date | null = null;
  for (const one of all) {
    if (one === null) return null;
    if (latest === null || one > latest) latest = one;
  }
  return latest;
}

/** When a reason no longer holds at the earliest, where that is known. */
export function reasonEarliestAt(reason: Reason, at: Date): Date | null {
  switch (reason.code) {
    case "job_scheduled":
    case "job_retryable":
      return reason.evidence.runAt;
    case "job_rate_limited":
    case "job_cooling_down":
      return reason.evidence.eligibleAt;
    case "job_due":
    case "job_ready":
      return at;
    default:
      return null;
  }
}

/** What is legal on a job in this state, and on the queue that it is in. */
function legalActions(
  state: JobState,
  { recorded, pausedAt }: {
    readonly recorded: boolean;
    readonly pausedAt: Date | null;
  },
): readonly Action[] {
  const legal: Action[] = [];
  if (RETRY_FROM.includes(state)) legal.push("retry_job");
  if (CANCEL_FROM.includes(state)) legal.push("cancel_job");
  if (DISCARD_FROM.includes(state)) legal.push("discard_job");
  if (pausedAt !== null) legal.push("resume_queue");
  if (recorded) legal.push("scale_queue");
  return legal;
}
