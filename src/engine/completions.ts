import type { LeaseEnd } from "../store/lease_ends.ts";
import type { EndedRun } from "./ended_run.ts";
import { byLease, type HeldLease, type HeldLeases } from "./held_leases.ts";

/** Runs of one lease that simply completed. */
export interface Completion {
  readonly lease: HeldLease;
  readonly results: readonly EndedRun[];
  readonly end: LeaseEnd;
}

/**
 * Parts results into what can be told by its place in a lease and what must be
 * named, job by job: of a lease whose content is not known, and where a run did
 * anything but complete, or left an output.
 */
export function completionsOf(
  batch: readonly EndedRun[],
  leases: HeldLeases,
): { readonly completions: Completion[]; readonly named: EndedRun[] } {
  const completions: Completion[] = [];
  const named: EndedRun[] = [];
  for (const [id, results] of byLease(batch)) {
    const lease = leases.get(id);
    const end = lease && results.every(isPlain) ? endOf(lease, results) : null;
    if (lease === null || end === null) named.push(...results);
    else completions.push({ lease, results, end });
  }
  return { completions, named };
}

function isPlain({ to, event, output, unsealed }: EndedRun): boolean {
  return to === "completed" && event === undefined && output === undefined &&
    unsealed === undefined;
}

/** Null if it does not hold them all. */
function endOf(
  lease: HeldLease,
  results: readonly EndedRun[],
): LeaseEnd | null {
  const took = new Map(results.map((run) => [run.jobId, run.tookMs]));
  const [first] = lease.jobIds;
  const last = lease.jobIds.at(-1);
  if (first === undefined || last === undefined) return null;
  let known = 0;
  const tookMs = lease.jobIds.map((jobId) => {
    const ms = took.get(jobId);
    if (ms === undefined) return null;
    known += 1;
    return ms;
  });
  return known === results.length
    ? { leaseId: lease.id, outermost: [first, last], tookMs }
    : null;
}
