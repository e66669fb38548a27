/** An explanation as plain data: what `yard.explain` returns, and `--json` prints. */
import type { ResourceRef } from "../seams.ts";
import type { Action } from "./action.ts";
import { type ControlStatus, DIAGNOSES } from "./diagnosis.ts";
import { explainJob, reasonEarliestAt } from "./explain.ts";
import type { ExplainFacts } from "./explain_facts.ts";
import { CLEARS, type Clears, type Reason } from "./explain_reason.ts";
import { explanationNotes, reasonSentence } from "./explain_words.ts";
import type { JobId } from "./job.ts";
import { isLegalStep, type Opens, RUNBOOK, STEPS } from "./runbook_steps.ts";
import { type Sentence, sentenceWords } from "./sentence.ts";
import type { JobState } from "./state.ts";
import type { StepCode } from "./step_code.ts";

/** Why a job is where it is. */
export interface JobExplanation {
  /** The instant of the facts. */
  readonly at: Date;
  /** The job that was asked about. */
  readonly jobId: JobId;
  /** Where it waits, or ran. */
  readonly queue: string;
  /** The name of its worker, whether or not this process knows it. */
  readonly worker: string;
  /** Where it stands. */
  readonly state: JobState;
  /** Nothing holds it up: the next claim of a healthy executor takes it. */
  readonly runnable: boolean;
  /** When it runs at the earliest; null: not known, or never. */
  readonly earliestAt: Date | null;
  /** All there are; the first is the one to begin with. */
  readonly reasons: readonly ToldReason[];
  /** What else is worth knowing, a sentence each. */
  readonly notes: readonly string[];
}

/** One reason; `code` says what its evidence holds. */
export type ToldReason = Reason & {
  readonly title: string;
  readonly status: ControlStatus;
  /** A sentence, with every value in it. */
  readonly message: string;
  readonly clears: Clears;
  readonly earliestAt: Date | null;
  readonly nextSteps: readonly NextStep[];
};

/** A step that is legal as things stand. */
export interface NextStep {
  /** The step, as a code that stays. */
  readonly step: StepCode;
  /** What to do, in words for a button or a list. */
  readonly label: string;
  /** `native`: a page or an action of ours; `host`: the host's own. */
  readonly owner: "native" | "bridge" | "host";
  /** To be previewed on the target; null: there is nothing to preview. */
  readonly action: Action | null;
  /** What it is about, such as the queue; null: nothing one can open. */
  readonly target: ResourceRef | null;
}

/** Tells why a job is where it is, in words and as data. */
export function tellJob(facts: ExplainFacts): JobExplanation {
  const { job, at } = facts;
  const { reasons, runnable, earliestAt, legal } = explainJob(facts);
  return {
    at,
    jobId: job.id,
    queue: job.queue,
    worker: job.worker,
    state: job.state,
    runnable,
    earliestAt,
    reasons: reasons.map((reason): ToldReason => ({
      ...reason,
      title: DIAGNOSES[reason.code].title,
      status: DIAGNOSES[reason.code].status,
      message: sentenceWords(reasonSentence(reason)),
      clears: CLEARS[reason.code],
      earliestAt: reasonEarliestAt(reason, at),
      nextSteps: nextSteps(reason, { job, legal }),
    })),
    notes: explanationNotes(facts).map((note: Sentence) => sentenceWords(note)),
  };
}

/** The steps of a reason that are legal now, in the order of the runbook. */
export function nextSteps(
  reason: Reason,
  { job, legal }: {
    readonly job: ExplainFacts["job"];
    readonly legal: readonly Action[];
  },
): readonly NextStep[] {
  return RUNBOOK[reason.code].flatMap((step): NextStep[] => {
    // Whoever asks looks at the job already.
    if (step === "review_subject" || !isLegalStep(step, legal)) return [];
    const { label, owner, opens } = STEPS[step];
    const words = STEPS[step];
    return [{
      step,
      label,
      owner,
      action: "action" in words ? words.action : null,
      target: targetOf(opens, { reason, job }),
    }];
  });
}

function targetOf(
  opens: Opens,
  { reason, job }: {
    readonly reason: Reason;
    readonly job: ExplainFacts["job"];
  },
): ResourceRef | null {
  switch (opens) {
    case "subject":
      return { type: "job", id: job.id };
    case "queue":
      return { type: "queue", id: job.queue };
    case "cron_entry":
      return job.cronEntry === null
        ? null
        : { type: "cron_entry", id: job.cronEntry };
    case "limiter": {
      const id = limiterOf(reason);
      return id === undefined ? null : { type: "limiter", id };
    }
    case "blocking_job": {
      const [id] = reason.code === "job_key_busy"
        ? reason.evidence.holders
        : [];
      return id === undefined ? null : { type: "job", id };
    }
    default:
      return null;
  }
}

/** The limiter that a reason is about; of several the first. */
function limiterOf({ evidence }: Reason): string | undefined {
  if ("limiter" in evidence) return evidence.limiter;
  return "limiters" in evidence ? evidence.limiters[0] : undefined;
}

/** Whether somebody has to act before the job can end well. */
export function needsSomebody({ reasons }: JobExplanation): boolean {
  return reasons.some(({ clears, status }) =>
    clears === "by_somebody" || status === "needs_review" ||
    status === "blocked"
  );
}
