import type { Database } from "../db/database.ts";
import type { JobId } from "../domain/job.ts";
import type { OnEvent } from "../events.ts";
import { type LeaseId, listHeldJobs } from "../store/leases.ts";
import { acknowledge, listEnded } from "../store/outcomes.ts";
import { listQueues } from "../store/queues.ts";
import type { Acknowledger } from "./acknowledger.ts";
import type { Clock } from "./clock.ts";
import type { Executor } from "./executor.ts";
import type { Run } from "./run.ts";
import type { Service, ServicePass } from "./service.ts";

/** What the refresher needs. */
export interface RefresherOptions {
  readonly database: Database;
  readonly executor: Executor;
  readonly acknowledger: Acknowledger;
  readonly clock: Clock;
  readonly onEvent: OnEvent;
  readonly executorId: () => number | null;
  /** These queues may run more than before. */
  readonly onRoom: (queues: readonly string[]) => void;
}

/** With the time that the statements take, every change is here within 1 s. */
const INTERVAL_MS = 800;
/**
 * In an outage it is the one that knocks, hardly more often than it looks when
 * all is well; the first answer that it gets wakes the other services.
 */
const RETRY_MS_MAX = 1_500;
/** A job that waits so long for a slot here may find one elsewhere. */
const BUFFERED_MS_MAX = 2_000;

/**
 * Looks at what operators and other processes decided: pauses and limits of the
 * queues, and jobs that were taken out of our leases. Hints only make it sooner.
 */
export class Refresher implements Service {
  readonly name = "refresher";
  readonly intervalMs = INTERVAL_MS;
  readonly retryMsMax = RETRY_MS_MAX;
  readonly #options: RefresherOptions;
  /** Jobs in our leases that nothing here ran, at the last pass. */
  #strange: ReadonlySet<string> = new Set();

  constructor(options: RefresherOptions) {
    this.#options = options;
  }

  async runOnce(): Promise<ServicePass> {
    await this.#refreshQueues();
    this.#returnOldBuffered();
    const executorId = this.#options.executorId();
    if (executorId !== null) await this.#compareLeases(executorId);
    return { worked: false };
  }

  async #refreshQueues(): Promise<void> {
    const { database, executor, onRoom } = this.#options;
    const known = await listQueues(database);
    const roomy = known.filter(({ name, chosenLimit, pausedAt }) =>
      executor.queues.get(name)?.adopt({
        chosenLimit,
        paused: pausedAt !== null,
      })
    );
    if (roomy.length > 0) onRoom(roomy.map(({ name }) => name));
    executor.giveBackBuffered((run) =>
      executor.queues.get(run.queue)?.paused ?? false
    );
    // A raised limit makes room.
    executor.beginRuns();
  }

  #returnOldBuffered(): void {
    const { executor, clock } = this.#options;
    const sinceMs = clock.monotonicMs() - BUFFERED_MS_MAX;
    executor.giveBackOld(sinceMs);
  }

  async #compareLeases(executorId: number): Promise<void> {
    const { database, executor } = this.#options;
    // Before the question, so that what is claimed meanwhile is not missed in
    // the answer.
    const running = [...executor.runs].filter((run) => !run.settled);
    const leases = await listHeldJobs(database, executorId);
    const held = new Set(
      leases.flatMap(({ leaseId, jobIds }) =>
        jobIds.map((jobId) => `${leaseId} ${jobId}`)
      ),
    );
    await this.#abortTaken(
      running.filter((run) => !run.settled && !held.has(placeOf(run))),
    );
    await this.#returnStrange(held, executorId);
  }

  async #abortTaken(runs: readonly Run[]): Promise<void> {
    if (runs.length === 0) return;
    const { database, executor } = this.#options;
    const ended = await listEnded(database, runs.map((run) => run.jobId));
    for (const run of runs) {
      run.abort(ended.includes(run.jobId) ? "cancelled" : "lease_lost");
    }
    // What waits for a slot has no code to tell.
    executor.giveBackBuffered((run) => run.aborted !== null);
  }

  /**
   * Gives back jobs of ours that nothing here runs: the answer to a claim, or to
   * its end, was lost on the way. Twice seen, so it is not just on the way.
   */
  async #returnStrange(
    held: ReadonlySet<string>,
    executorId: number,
  ): Promise<void> {
    const { database, executor, acknowledger, onEvent } = this.#options;
    const here = new Set([...executor.runs].map(placeOf));
    for (const { leaseId, jobId } of acknowledger.list()) {
      here.add(`${leaseId} ${jobId}`);
    }
    const strange = new Set([...held].filter((place) => !here.has(place)));
    const twice = [...strange].filter((place) => this.#strange.has(place));
    this.#strange = strange;
    if (twice.length === 0) return;
    executor.disown(twice.map((place) => place.split(" ")[0] as LeaseId));
    const answers = await acknowledge(
      database,
      executorId,
      twice.map((place) => {
        const [leaseId, jobId] = place.split(" ") as [JobId, JobId];
        const event = { kind: "given_back" } as const;
        const to = "available";
        return { leaseId, jobId, attempt: 0, to, tookMs: 0, event };
      }),
    );
    onEvent({
      type: "leases_recovered",
      jobs: answers.filter((answer) => answer === "applied").length,
    });
  }
}

function placeOf(run: Run): string {
  return `${run.job.leaseId} ${run.jobId}`;
}
