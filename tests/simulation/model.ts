/** What happens to jobs, told in memory: every rule of the way of a job, once. */
import { type JobId, jobInsertedAt } from "../../src/domain/job.ts";
import { CANCEL_FROM, RETRY_FROM } from "../../src/domain/job.ts";
import type { Replaceable } from "../../src/domain/unique_key.ts";
import type {
  Overwrites,
  ReplaceAnswer,
} from "../../src/store/replacements.ts";
import type { InsertAnswer, JobUnique } from "../../src/store/jobs.ts";
import type { QueueDemand } from "../../src/store/leases.ts";
import type { Acknowledgement, RunResult } from "../../src/store/outcomes.ts";
import type { Moved } from "../../src/store/transitions.ts";
import { idOrder, Retention } from "./model_retention.ts";
import {
  type ModelExecutor,
  type ModelInsert,
  type ModelJob,
  type ModelRun,
  NOWHERE,
  type Standing,
} from "./model_types.ts";

/** What an executor asks for. */
export interface ModelDemand {
  readonly executorId: number;
  readonly workers: readonly string[];
  readonly queues: readonly QueueDemand[];
}

/** What an insert says that overwrites another job. */
interface NewestJob {
  readonly queue: string;
  readonly worker: string;
  readonly priority: number;
  readonly maxAttempts: number;
  readonly delayMs: number;
}

const TERMINAL: readonly string[] = ["completed", "cancelled", "discarded"];

/** All jobs there are, and all that was ever begun. */
export class Model extends Retention {
  readonly runs: ModelRun[] = [];
  readonly paused = new Set<string>();
  readonly chosenLimits = new Map<string, number>();

  /** Of jobs in order; ids are made by the tables, so they come as answers. */
  insert(
    inserts: readonly ModelInsert[],
    answers: readonly InsertAnswer[],
  ): InsertAnswer[] {
    const winners = new Map<string, JobId>();
    return inserts.map((insert, place) => {
      const { unique } = insert;
      const holder = unique === null
        ? null
        : winners.get(unique.key) ?? this.#holderOf(unique.key);
      if (holder !== null) return conflictWith(holder);
      const jobId = answers[place]?.jobId ?? "0";
      if (unique !== null) {
        winners.set(unique.key, jobId);
        this.#hold(unique, jobId);
      }
      return this.#define(jobId, insert);
    });
  }

  #define(jobId: JobId, insert: ModelInsert): InsertAnswer {
    const { queue, worker, priority, maxAttempts } = insert;
    const { delayMs, deadlineMs } = insert;
    const isLater = delayMs !== null && delayMs > 0;
    const runAt = isLater ? this.nowMs + delayMs : null;
    const state = isLater ? "scheduled" : "available";
    this.jobs.set(jobId, {
      id: jobId,
      queue,
      worker,
      priority,
      maxAttempts,
      uniqueKey: insert.unique?.key ?? null,
      retries: 0,
      deadlineAt: deadlineMs === null ? null : this.nowMs + deadlineMs,
      at: { ...NOWHERE, state, attempt: 0, runAt },
    });
    const at = runAt === null ? null : new Date(runAt);
    return { status: "inserted", jobId, state, runAt: at };
  }

  /** Null when the key is free, or free to be taken over. */
  #holderOf(key: string): JobId | null {
    const claim = this.claims.get(key);
    if (claim === undefined) return null;
    const { jobId, states, expiresAt } = claim;
    if (expiresAt !== null && expiresAt <= this.nowMs) return null;
    const state = this.jobs.get(jobId)?.at.state;
    return state !== undefined && states.includes(state) ? jobId : null;
  }

  #hold({ key, states, periodMs }: JobUnique, jobId: JobId): void {
    const expiresAt = periodMs === null ? null : this.nowMs + periodMs;
    this.claims.set(key, { jobId, states, expiresAt });
  }

  /** The jobs that a claim takes, in order, each with the attempt it begins. */
  claim({ executorId, workers, queues }: ModelDemand): ModelJob[] {
    const executor = this.executors.get(executorId);
    if (executor === undefined || executor.stoppedAt !== null) return [];
    return queues.flatMap((demand) => {
      if (this.paused.has(demand.queue)) return [];
      const limit = this.chosenLimits.get(demand.queue) ?? demand.declaredLimit;
      const most = Math.min(limit + demand.prefetch - demand.held, demand.most);
      return [...this.jobs.values()]
        .filter(({ queue, worker, at }) =>
          queue === demand.queue && workers.includes(worker) &&
          at.state === "available"
        )
        .filter((job) => !demand.after || claimOrder(job, demand.after) > 0)
        .sort(claimOrder)
        .slice(0, Math.max(most, 0));
    }).sort(claimOrder);
  }

  /** They run, as one lease. */
  begin(run: ModelRun): void {
    this.runs.push(run);
    const { jobId, leaseId, executorId, attempt } = run;
    const claimedAt = this.nowMs;
    this.#move(jobId, {
      state: "executing",
      attempt,
      leaseId,
      executorId,
      claimedAt,
    });
  }

  /** Only what its lease still holds is changed; the rest is told as lost. */
  acknowledge(
    executorId: number,
    results: readonly RunResult[],
  ): Acknowledgement[] {
    // Decided before anything is written, as one statement does.
    const standing = results.map(({ jobId }) => this.jobs.get(jobId)?.at);
    return results.map((result, place) => {
      const at = standing[place];
      const { jobId, attempt } = result;
      if (at?.state === "executing" && at.leaseId === result.leaseId) {
        this.#end(at, result);
        return "applied";
      }
      const again = this.#wasApplied({ result, at, executorId });
      if (again) return "applied";
      this.tell({ jobId, attempt, kind: "lost", executorId });
      return "lost";
    });
  }

  /**
   * Told twice, the same end of the same attempt is no loss. Who tells may be
   * another executor by now: the one that was found missing in between. But the
   * number of an attempt that was not burnt comes again, maybe elsewhere.
   */
  #wasApplied({ result, at, executorId }: {
    readonly result: RunResult;
    readonly at: Standing | undefined;
    readonly executorId: number;
  }): boolean {
    const { jobId, attempt, to, event } = result;
    const kinds = this.events
      .filter((each) => each.jobId === jobId && each.attempt === attempt)
      .map(({ kind }) => kind)
      .filter((kind) => !["lost", "retried", "replaced"].includes(kind));
    if (!TERMINAL.includes(to)) {
      return event !== undefined && kinds.at(-1) === event.kind;
    }
    if (at?.state !== to || at.attempt !== attempt) return false;
    const isReused = kinds.includes("given_back") || kinds.includes("snoozed");
    return at.executorId === executorId || !isReused;
  }

  #end(
    { attempt, executorId }: Standing,
    { jobId, to, tookMs, delayMs = 0, event, output }: RunResult,
  ): void {
    if (event) this.tell({ jobId, attempt, kind: event.kind, executorId });
    if (output) {
      const expiresAt = this.nowMs + output.keepMs;
      this.outputs.set(jobId, { attempt, expiresAt });
    }
    const runAt = this.nowMs + delayMs;
    if (to === "retryable") this.#move(jobId, { state: to, attempt, runAt });
    // The run asked for it, or somebody made it let go: no attempt is burnt.
    else if (to === "scheduled") {
      this.#move(jobId, { state: to, attempt: attempt - 1, runAt });
    } else if (to === "available") {
      this.#move(jobId, { state: to, attempt: attempt - 1 });
    } else {
      const finishedAt = this.nowMs;
      this.#move(jobId, { state: to, attempt, executorId, tookMs, finishedAt });
    }
  }

  /** An operator says stop: whatever runs has lost its lease. */
  end(
    jobId: JobId,
    { state, principal }: {
      readonly state: "cancelled" | "discarded";
      readonly principal: string;
    },
  ): Moved | null {
    const job = this.jobs.get(jobId);
    if (!job?.at.state || !CANCEL_FROM.includes(job.at.state)) return null;
    const { state: before, attempt, executorId, claimedAt } = job.at;
    const tookMs = claimedAt === null ? 0 : Math.max(this.nowMs - claimedAt, 0);
    const finishedAt = this.nowMs;
    this.#move(jobId, { state, attempt, executorId, tookMs, finishedAt });
    this.tell({ jobId, attempt, kind: state, executorId, principal });
    return { before, after: state, queue: job.queue };
  }

  /** An operator says again, or now: one more attempt is allowed. */
  retry(jobId: JobId, principal: string): Moved | null {
    const job = this.jobs.get(jobId);
    if (!job?.at.state || !RETRY_FROM.includes(job.at.state)) return null;
    const { state: before, attempt } = job.at;
    if (TERMINAL.includes(before)) this.#retakeKey(job);
    job.retries += 1;
    this.#move(jobId, { state: "available", attempt });
    this.tell({ jobId, attempt, kind: "retried", principal });
    return { before, after: "available", queue: job.queue };
  }

  /** Its key was taken over meanwhile, and nobody holds it now. */
  #retakeKey({ id: jobId, uniqueKey }: ModelJob): void {
    const claim = uniqueKey === null ? undefined : this.claims.get(uniqueKey);
    if (uniqueKey === null || claim === undefined) return;
    const { expiresAt } = claim;
    const isOver = expiresAt !== null && expiresAt <= this.nowMs;
    if (isOver || this.#holderOf(uniqueKey) !== null) return;
    this.claims.set(uniqueKey, { ...claim, jobId });
  }

  /** What a conflicting insert overwrites, as long as the holder waits. */
  replace(
    { key, jobId, overwrites, insert }: {
      readonly key: string;
      readonly jobId: JobId;
      readonly overwrites: Overwrites;
      readonly insert: NewestJob;
    },
  ): ReplaceAnswer {
    const job = this.jobs.get(jobId);
    const waits = ["available", "scheduled", "retryable"];
    const isHeld = this.claims.get(key)?.jobId === jobId;
    if (!isHeld || !job?.at.state || !waits.includes(job.at.state)) {
      return { replaced: false, isMoving: false };
    }
    const { attempt } = job.at;
    const { mode } = overwrites;
    const has = (field: Replaceable) =>
      mode === "keep_last" ||
      mode === "replace" && overwrites.fields.includes(field);
    const isRetry = job.at.state === "retryable";
    let { runAt } = job.at;
    if (has("runAt") || mode === "debounce" && !isRetry) {
      runAt = this.nowMs + insert.delayMs;
    }
    if (mode === "debounce" && !isRetry && overwrites.maxWaitMs !== null) {
      const insertedMs = jobInsertedAt(jobId).getTime();
      runAt = Math.min(runAt ?? 0, insertedMs + overwrites.maxWaitMs);
    }
    if (has("priority")) job.priority = insert.priority;
    if (mode !== "replace") {
      job.maxAttempts = attempt + insert.maxAttempts;
      job.deadlineAt = null;
    } else if (has("maxAttempts")) job.maxAttempts = insert.maxAttempts;
    // Args go with their worker, and a job that stays with it in its queue.
    const isHandedOn = mode === "debounce" || has("args");
    if (mode === "keep_last" || isHandedOn && job.worker !== insert.worker) {
      Object.assign(job, { queue: insert.queue, worker: insert.worker });
    }
    this.tell({ jobId, attempt, kind: "replaced" });
    if (runAt === null || runAt <= this.nowMs) {
      this.#move(jobId, { state: "available", attempt });
      return { replaced: true, queue: job.queue, runAt: null };
    }
    const state = isRetry && mode !== "keep_last" ? "retryable" : "scheduled";
    this.#move(jobId, { state, attempt, runAt });
    return { replaced: true, queue: job.queue, runAt: new Date(runAt) };
  }

  /** The queues of what became due, in order of the longest due. */
  stage(limit: number): string[] {
    const due = [...this.jobs.values()]
      .filter(({ at }) => at.runAt !== null && at.runAt <= this.nowMs)
      .sort((left, right) =>
        (left.at.runAt ?? 0) - (right.at.runAt ?? 0) || idOrder(left, right)
      )
      .slice(0, limit);
    for (const { id, at } of due) {
      this.#move(id, { state: "available", attempt: at.attempt });
    }
    return due.map(({ queue }) => queue);
  }

  /** Takes leases of executors that are gone apart: their attempts were made. */
  rescue(limit: number): { rescued: ModelJob[]; discarded: ModelJob[] } {
    const running = [...this.jobs.values()].filter(({ at }) =>
      at.executorId !== null && at.leaseId !== null &&
      this.executors.get(at.executorId)?.stoppedAt !== null
    );
    const leases = [...new Set(running.map(({ at }) => at.leaseId))]
      .sort((left, right) => Number(BigInt(left ?? 0) - BigInt(right ?? 0)))
      .slice(0, limit);
    const taken = running.filter(({ at }) => leases.includes(at.leaseId));
    const discarded = taken.filter(({ at, maxAttempts }) =>
      at.attempt >= maxAttempts
    );
    const rescued = taken.filter((job) => !discarded.includes(job));
    for (const job of taken) {
      const { attempt, executorId, claimedAt } = job.at;
      this.tell({ jobId: job.id, attempt, kind: "rescued", executorId });
      if (rescued.includes(job)) {
        this.#move(job.id, { state: "available", attempt });
        continue;
      }
      this.#move(job.id, {
        state: "discarded",
        attempt,
        executorId,
        tookMs: Math.max(this.nowMs - (claimedAt ?? 0), 0),
        finishedAt: this.nowMs,
      });
    }
    return { rescued, discarded };
  }

  start(id: number, executor: ModelExecutor): void {
    this.executors.set(id, executor);
  }

  /** What a place does not know is forgotten. */
  #move(jobId: JobId, to: Partial<Standing> & Pick<Standing, "state">): void {
    const job = this.jobs.get(jobId);
    if (job !== undefined) job.at = { ...NOWHERE, ...to };
  }
}

/** More urgent first, then older. */
function claimOrder(
  left: { readonly priority: number; readonly id?: JobId; jobId?: JobId },
  right: { readonly priority: number; readonly id?: JobId; jobId?: JobId },
): number {
  return left.priority - right.priority ||
    idOrder(
      { id: left.id ?? left.jobId ?? "0" },
      { id: right.id ?? right.jobId ?? "0" },
    );
}

function conflictWith(jobId: JobId): InsertAnswer {
  const told = { by: "unique", isGone: false, hasOtherArgs: false } as const;
  return { status: "conflict", jobId, ...told };
}
