import type { Database } from "../db/database.ts";
import {
  CANCEL_FROM,
  DISCARD_FROM,
  type JobId,
  type JobState,
  parseJobId,
  RETRY_FROM,
} from "../domain/job.ts";
import type { Snapshot } from "../domain/preview.ts";
import type { Principal } from "../seams.ts";
import { lockUniqueHolder } from "../store/unique_holders.ts";
import {
  cancelJob,
  discardJob,
  type LockedJob,
  lockJob,
  retryJob,
} from "../store/transitions.ts";
import type { Notice } from "./control.ts";
import type { Acted, Outlook, Plan, Planned } from "./plan.ts";
import { type RefusalStep, refused } from "./refusal.ts";

type JobAction = "retry_job" | "cancel_job" | "discard_job";

interface Repair {
  /** For a summary: what is done to the job. */
  readonly verb: string;
  readonly from: readonly JobState[];
  readonly to: JobState;
  readonly change: (
    tx: Database,
    job: { readonly jobId: JobId; readonly principal: string },
  ) => Promise<{ readonly before: JobState; readonly after: JobState } | null>;
}

/** What each repair is; which states it is legal in is the domain's list. */
const REPAIRS: Readonly<Record<JobAction, Repair>> = {
  retry_job: {
    verb: "Retry",
    from: RETRY_FROM,
    to: "available",
    change: retryJob,
  },
  cancel_job: {
    verb: "Cancel",
    from: CANCEL_FROM,
    to: "cancelled",
    change: cancelJob,
  },
  discard_job: {
    verb: "Discard",
    from: DISCARD_FROM,
    to: "discarded",
    change: discardJob,
  },
};

/** The plans of what can be done to a job. */
export const JOB_PLANS: Readonly<Record<JobAction, Plan>> = {
  retry_job: planOf("retry_job"),
  cancel_job: planOf("cancel_job"),
  discard_job: planOf("discard_job"),
};

/** The repairs that are legal for a job in a state. */
function legalJobActions(state: JobState): JobAction[] {
  const actions = Object.keys(REPAIRS) as JobAction[];
  return actions.filter((action) => REPAIRS[action].from.includes(state));
}

function planOf(action: JobAction): Plan {
  return async (tx, { targetId }) => {
    const jobId = parseJobId(targetId);
    if (jobId === null) return null;
    // The key before the job, as an insert takes them.
    const holderId = action === "retry_job"
      ? await lockUniqueHolder(tx, jobId)
      : null;
    const job = await lockJob(tx, jobId);
    return job === null ? null : plan(tx, { action, job, holderId });
  };
}

interface Aim {
  readonly action: JobAction;
  readonly job: LockedJob;
  /** Another live job with the unique key of this one. */
  readonly holderId: JobId | null;
}

function plan(
  tx: Database,
  { action, job, holderId }: Aim,
): Planned {
  const { change } = REPAIRS[action];
  const { jobId } = job;
  const before = snapshot(job);
  return {
    facts: job,
    before,
    outlook: outlook({ action, job, holderId }),
    async act(principal: Principal): Promise<Acted | null> {
      const changed = await change(tx, { jobId, principal: principal.id });
      if (changed === null) return null;
      return {
        after: inState(before, changed.after),
        result: { before: changed.before, after: changed.after },
        notices: noticesOf(job, changed),
      };
    },
  };
}

function outlook({ action, job, holderId }: Aim): Outlook {
  const { verb, from, to } = REPAIRS[action];
  const { jobId, state, worker } = job;
  if (!from.includes(state)) {
    return refused("wrong_state", {
      message: `The job is ${state}: ${wrongState(action, state)}`,
      legalNextSteps: [...legalNextSteps(state)],
    });
  }
  // One that waits stands beside the holder already.
  if (holderId !== null && job.finishedAt !== null) {
    return refused("unique_key_held", {
      message: `Job ${holderId} holds the unique key of this one by now: a ` +
        `retry would make two of what may be there once.`,
    });
  }
  return {
    ok: true,
    after: inState(snapshot(job), to),
    summary: `${verb} job ${jobId} of worker ${worker}`,
  };
}

function wrongState(action: JobAction, state: JobState): string {
  if (action !== "retry_job") return "it has ended already.";
  if (state === "executing") return "it is being run now.";
  return state === "available"
    ? "it will be run as soon as an executor is free."
    : "it waits for something else to release it.";
}

function legalNextSteps(state: JobState): readonly RefusalStep[] {
  return [...legalJobActions(state), "reload"];
}

/** No args and no meta: a snapshot goes into the audit for good. */
function snapshot(job: LockedJob): Snapshot {
  return {
    id: job.jobId,
    worker: job.worker,
    queue: job.queue,
    state: job.state,
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    runAt: job.runAt?.toISOString() ?? null,
    executorId: job.executorId,
    finishedAt: job.finishedAt?.toISOString() ?? null,
  };
}

/** The instant of the end is not known before it; it stands in the outcome. */
function inState(before: Snapshot, state: JobState): Snapshot {
  return { ...before, state, runAt: null, executorId: null, finishedAt: null };
}

function noticesOf(
  job: LockedJob,
  changed: { readonly before: JobState; readonly after: JobState },
): Notice[] {
  if (changed.after === "available") return [{ t: "ready", q: [job.queue] }];
  // Of a run, its executor must hear as well.
  const t = changed.before === "executing" ? "cancelled" : "ended";
  return [{ t, ids: [job.jobId] }];
}
