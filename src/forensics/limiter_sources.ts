/** How complete what is known of a limiter is. */
import type { Horizons } from "../store/evidence.ts";
import type { LimiterFact } from "../store/limiter_blockers.ts";
import type { LimiterLines } from "../store/limiter_lines.ts";
import type { ActivePartitions } from "../store/limiter_pressure.ts";
import type { CollectedSource } from "./bundle.ts";

/** What was read of a limiter that may have been cut. */
export interface LimiterSeen {
  readonly facts: readonly LimiterFact[];
  readonly active: ActivePartitions;
  readonly waiting: LimiterLines;
  readonly horizons: Horizons;
}

/**
 * The history ends where retention let it go. How it stands now is one row for
 * each key, which goes when it says no more than a missing one would.
 */
export function limiterSources(
  { facts, active, waiting, horizons }: LimiterSeen,
  { since, isTruncated }: {
    readonly since: Date;
    readonly isTruncated: boolean;
  },
): readonly CollectedSource[] {
  return [
    {
      source: "limiter_facts",
      wantedFrom: since,
      keptFrom: horizons.history,
      found: facts.length,
      truncated: isTruncated,
    },
    {
      source: "limiter_partitions",
      wantedFrom: horizons.now,
      keptFrom: null,
      found: active.partitions.length,
      truncated: active.capped,
    },
    {
      source: "lanes",
      wantedFrom: horizons.now,
      keptFrom: null,
      found: waiting.count,
      truncated: waiting.capped,
    },
  ];
}
