import type { JobId } from "../domain/job.ts";
import type { ClaimedJob, LeaseId } from "../store/leases.ts";
import type { RunResult } from "../store/outcomes.ts";

/**
 * What a lease of ours holds, as far as we know: never less than the database
 * says. A job is taken out only once a statement said that it is out.
 */
export class HeldLease {
  readonly id: LeaseId;
  /** In the order in which the lease has them. */
  #jobIds: readonly JobId[];

  constructor(id: LeaseId, jobIds: readonly JobId[]) {
    this.id = id;
    this.#jobIds = jobIds.every((jobId, n) => comesAfter(jobId, jobIds[n - 1]))
      ? jobIds
      : [...jobIds].sort((a, b) => comesAfter(a, b) ? 1 : -1);
  }

  get jobIds(): readonly JobId[] {
    return this.#jobIds;
  }

  remove(gone: ReadonlySet<JobId>): void {
    this.#jobIds = this.#jobIds.filter((jobId) => !gone.has(jobId));
  }
}

/** Ids are numbers of any length, as text. */
function comesAfter(jobId: JobId, before: JobId | undefined): boolean {
  if (before === undefined) return true;
  return jobId.length === before.length
    ? jobId > before
    : jobId.length > before.length;
}

/**
 * Of so many leases the content is known. Some end without our knowledge, and to
 * forget one is always safe.
 */
const LEASES_MAX = 10_000;

/** The leases of this process whose content is known. */
export class HeldLeases {
  readonly #leases = new Map<LeaseId, HeldLease>();
  #executorId: number | null = null;

  /** Takes in what a claim brought. */
  open(executorId: number, jobs: readonly ClaimedJob[]): void {
    if (executorId !== this.#executorId) {
      // It was found missing and started as another: what it held is gone.
      this.#leases.clear();
      this.#executorId = executorId;
    }
    const [first] = jobs;
    if (first === undefined) return;
    const jobIds = jobs.map((job) => job.jobId);
    for (const oldest of this.#leases.keys()) {
      if (this.#leases.size < LEASES_MAX) break;
      this.#leases.delete(oldest);
    }
    this.#leases.set(first.leaseId, new HeldLease(first.leaseId, jobIds));
  }

  get(id: LeaseId): HeldLease | null {
    return this.#leases.get(id) ?? null;
  }

  /** What these runs held is no longer in the lease. */
  remove(lease: HeldLease, runs: readonly RunResult[]): void {
    lease.remove(new Set(runs.map((run) => run.jobId)));
    if (lease.jobIds.length === 0) this.#leases.delete(lease.id);
  }

  /** The same, whatever their leases. */
  removeAll(runs: readonly RunResult[]): void {
    for (const [id, gone] of byLease(runs)) {
      const lease = this.get(id);
      if (lease !== null) this.remove(lease, gone);
    }
  }

  /** What it holds is not what we thought; from now on each job is named. */
  forget(lease: HeldLease): void {
    this.#leases.delete(lease.id);
  }
}

/** Results in the order of their leases' first ones. */
export function byLease<T extends RunResult>(
  results: readonly T[],
): ReadonlyMap<LeaseId, T[]> {
  const groups = new Map<LeaseId, T[]>();
  let id: LeaseId | null = null;
  let group: T[] = [];
  for (const result of results) {
    if (result.leaseId !== id) {
      id = result.leaseId;
      group = groups.get(id) ?? [];
      groups.set(id, group);
    }
    group.push(result);
  }
  return groups;
}
