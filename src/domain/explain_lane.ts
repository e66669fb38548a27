import type { ExplainedBlocker, LaneFacts } from "./explain_facts.ts";
import type { Reason } from "./explain_reason.ts";

/** What limiters hold a job back by, and the jobs before it in its lane. */
export function laneReasons(lane: LaneFacts | null): readonly Reason[] {
  if (lane === null) return [];
  const { blockers, ahead, limiters } = lane;
  return [
    ...blockers.map(blockerReason),
    ...ahead.count === 0
      ? []
      : [{ code: "job_lane_behind", evidence: { limiters, ahead } } as const],
  ];
}

function blockerReason(
  { blocker, holders, partitionBy }: ExplainedBlocker,
): Reason {
  const { limiter, used, capacity, weight, eligibleAt, reason } = blocker;
  const key = blocker.scope === "global" ? null : blocker.key;
  const of = { limiter, key, partitionBy, used, capacity, weight };
  if (blocker.code === "cooldown") {
    return {
      code: "job_cooling_down",
      evidence: { ...of, eligibleAt, why: reason },
    };
  }
  return blocker.kind === "concurrency"
    ? { code: "job_key_busy", evidence: { ...of, holders } }
    : { code: "job_rate_limited", evidence: { ...of, eligibleAt } };
}
