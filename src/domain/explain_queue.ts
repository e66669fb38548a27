/**
 * Why the jobs of a queue are where they are: jobs that can not be told apart are
 * explained once, by the function that explains one job, and counted.
 */
import type { DiagnosisCode, JobDiagnosis } from "./diagnosis.ts";
import { explainJob } from "./explain.ts";
import type {
  ExplainedJob,
  Known,
  LaneFacts,
  Precision,
} from "./explain_facts.ts";
import { type QueueReason, ReasonGroups, weaker } from "./explain_groups.ts";
import { isAlive, takersOf, workersBeside } from "./explain_places.ts";
import type {
  LimitedJobs,
  PlannedJobs,
  QueueFacts,
} from "./explain_queue_facts.ts";
import type { Reason } from "./explain_reason.ts";

/** How a queue is, and why its jobs are where they are. */
export interface QueueExplanation {
  readonly code: Extract<DiagnosisCode, `queue_${string}`>;
  /** Most jobs first. A job may have more than one. */
  readonly reasons: readonly QueueReason[];
}

/** Tells why the jobs of a queue are where they are. */
export function explainQueue(facts: QueueFacts): QueueExplanation {
  const groups = new ReasonGroups();
  for (const each of facts.planned) addPlanned(groups, { facts, each });
  addReady(groups, facts);
  for (const each of facts.limited) addLimited(groups, { facts, each });
  addRunning(groups, facts);
  const reasons = groups.list();
  return { code: codeOf(facts, reasons), reasons };
}

const NO_JOB: ExplainedJob = {
  id: "0",
  queue: "",
  worker: "",
  state: "available",
  attempt: 0,
  maxAttempts: 0,
  runAt: null,
  claimedAt: null,
  finishedAt: null,
  tookMs: null,
  deadlineAt: null,
  cronEntry: null,
};

/** The reasons of a job of this queue. Deadlines are those of single jobs. */
function reasonsOf(
  { at, queue, serving, lastStopped, pace }: QueueFacts,
  { job, ahead = 0, lane = null }: {
    readonly job: Partial<ExplainedJob>;
    readonly ahead?: number;
    readonly lane?: LaneFacts | null;
  },
): readonly Reason[] {
  return explainJob({
    at,
    job: { ...NO_JOB, queue: queue.name, ...job },
    queue,
    serving,
    lastStopped,
    holder: null,
    lane,
    turn: { ahead: { count: ahead, precision: "exact" }, pace },
    lastEvent: null,
    supersededBy: null,
  }).reasons;
}

function addPlanned(
  groups: ReasonGroups,
  { facts, each }: {
    readonly facts: QueueFacts;
    readonly each: PlannedJobs;
  },
): void {
  const { state, worker, runAt, jobs } = each;
  const precision = facts.plannedCapped ? "at_least" : "exact";
  for (const reason of reasonsOf(facts, { job: { state, worker, runAt } })) {
    groups.add(reason, { count: jobs, precision });
  }
}

/** Where a lane stands was looked at when it had its turn, and not now. */
function addLimited(
  groups: ReasonGroups,
  { facts, each }: {
    readonly facts: QueueFacts;
    readonly each: LimitedJobs;
  },
): void {
  const { worker, jobs, lanes, lane } = each;
  const behind = jobs - lanes;
  const ahead: Known = { count: behind, precision: "about" };
  for (const reason of reasonsOf(facts, { job: { worker }, lane })) {
    const isNext = reason.code === "job_lane_turn";
    groups.add(reason, { count: isNext ? lanes : jobs, precision: "about" });
  }
  const { limiters } = lane;
  groups.add({ code: "job_lane_behind", evidence: { limiters, ahead } }, ahead);
}

/** Ready jobs in their order: what comes before one decides whether it is next. */
function addReady(groups: ReasonGroups, facts: QueueFacts): void {
  const classes = new Map<string, ReadyClass>();
  for (const { worker, isDue } of facts.head) {
    const of = classOf(classes, { worker, facts });
    if (!isDue) count(of, of.ahead);
    for (const other of classes.values()) {
      if (other.beside.has(worker)) other.ahead += 1;
    }
  }
  for (const { worker, jobs } of facts.beyond) {
    const of = classOf(classes, { worker, facts });
    count(of, of.ahead, { jobs, precision: "about" });
  }
  for (const [worker, { turns }] of classes) {
    for (const { last, jobs } of turns.values()) {
      for (
        const reason of reasonsOf(facts, { job: { worker }, ahead: last })
      ) groups.add(reason, jobs);
    }
  }
}

/** Ready jobs of one worker. */
interface ReadyClass {
  /** The workers that whoever could take them knows. */
  readonly beside: ReadonlySet<string>;
  readonly free: number;
  /** Jobs so far that come before the next one. */
  ahead: number;
  /** Jobs that have the same reasons, by what those depend on. */
  readonly turns: Map<string, { last: number; jobs: Known }>;
}

function classOf(
  classes: Map<string, ReadyClass>,
  { worker, facts }: { readonly worker: string; readonly facts: QueueFacts },
): ReadyClass {
  const known = classes.get(worker);
  if (known !== undefined) return known;
  const { serving } = facts;
  const beside = new Set(workersBeside(worker, serving));
  const made: ReadyClass = {
    beside,
    free: takersOf(worker, facts).free,
    ahead: aheadSoFar(facts, { beside, worker }),
    turns: new Map(),
  };
  classes.set(worker, made);
  return made;
}

/** A worker that is met late may have been overtaken by others until then. */
function aheadSoFar(
  { head }: QueueFacts,
  { beside, worker }: {
    readonly beside: ReadonlySet<string>;
    readonly worker: string;
  },
): number {
  const met = head.findIndex((job) => job.worker === worker);
  const before = met < 0 ? head : head.slice(0, met);
  return before.filter((job) => beside.has(job.worker)).length;
}

function count(
  { turns, free }: ReadyClass,
  ahead: number,
  { jobs, precision }: {
    readonly jobs: number;
    readonly precision: Precision;
  } = { jobs: 1, precision: "exact" },
): void {
  const turn = ahead === 0 ? "first" : ahead < free ? "next" : "later";
  const before = turns.get(turn)?.jobs;
  turns.set(turn, {
    last: ahead,
    jobs: before === undefined ? { count: jobs, precision } : {
      count: before.count + jobs,
      precision: weaker(before.precision, precision),
    },
  });
}

function addRunning(groups: ReasonGroups, facts: QueueFacts): void {
  const exactly = (count: number): Known => ({ count, precision: "exact" });
  for (const executor of facts.serving) {
    const [reason] = runningReasons(facts, executor);
    if (reason !== undefined) groups.add(reason, exactly(executor.held));
  }
  const [gone] = runningReasons(facts, null);
  if (gone !== undefined) groups.add(gone, exactly(facts.orphaned));
}

function runningReasons(
  { at, queue, lastStopped }: QueueFacts,
  holder: QueueFacts["serving"][number] | null,
): readonly Reason[] {
  return explainJob({
    at,
    job: { ...NO_JOB, queue: queue.name, state: "executing" },
    queue,
    serving: [],
    lastStopped,
    holder,
    turn: null,
    lane: null,
    lastEvent: null,
    supersededBy: null,
  }).reasons;
}

/** How the queue is: what holds it up first. */
function codeOf(
  facts: QueueFacts,
  reasons: readonly QueueReason[],
): QueueExplanation["code"] {
  const { queue, serving } = facts;
  const due = facts.ready.count + limitedOf(facts);
  const has = (...codes: readonly JobDiagnosis[]) =>
    reasons.some(({ reason }) => codes.includes(reason.code));
  if (queue.pausedAt !== null) return "queue_paused";
  if (due > 0 && !serving.some(isAlive)) return "queue_unserved";
  if (serving.some(({ health }) => health !== "healthy")) {
    return "queue_at_risk";
  }
  if (unknownWorkers(facts).length > 0) return "queue_worker_unknown";
  if (has("job_queue_full")) return "queue_full";
  return due > 0 || has("job_running", "job_executor_missing")
    ? "queue_working"
    : "queue_idle";
}

/** How many due jobs wait for limiters. */
export function limitedOf({ limited }: QueueFacts): number {
  return limited.reduce((sum, { jobs }) => sum + jobs, 0);
}

/** Workers of ready jobs that no live executor of the queue knows. */
export function unknownWorkers(
  { head, beyond, limited, serving }: QueueFacts,
): readonly string[] {
  const alive = serving.filter(isAlive);
  if (alive.length === 0) return [];
  const ready = head.filter(({ isDue }) => !isDue);
  const workers = new Set(
    [...ready, ...beyond, ...limited].map(({ worker }) => worker),
  );
  return [...workers].filter((worker) =>
    !alive.some((executor) => executor.workers.includes(worker))
  ).sort();
}
