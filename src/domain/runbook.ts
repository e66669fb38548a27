import type { ResourceRef } from "../seams.ts";
import type { Action } from "./action.ts";
import type { DiagnosisCode } from "./diagnosis.ts";
import type { Completeness } from "./evidence.ts";
import {
  type Intent,
  isLegalStep,
  type Opens,
  type Owner,
  type Posture,
  RUNBOOK,
  STEPS,
} from "./runbook_steps.ts";
import type { StepCode } from "./step_code.ts";

/** Where a path leads. Pages turn it into a link, or leave it as guidance. */
export type PathTarget =
  | { readonly page: "resource"; readonly resource: ResourceRef }
  | { readonly page: "audit"; readonly resource: ResourceRef | null }
  | { readonly page: "forensics" | "executors" };

/** One way to go from here, with its owner and what it can do. */
export interface NextPath {
  readonly step: StepCode;
  readonly owner: Owner;
  readonly posture: Posture;
  readonly intent: Intent;
  /** Null: it is guidance, and there is nothing of ours to open. */
  readonly target: PathTarget | null;
}

/** What must be so before acting makes sense. */
export const PREREQUISITES = {
  evidence_complete: {
    label: "The evidence is complete",
    met: "Nothing is missing from any source.",
    missing: "At least one source has a gap.",
    unknown: "No source could be judged.",
  },
  legal_action: {
    label: "A legal action exists",
    met: "An audited action on it is legal as it stands now.",
    missing: "Nothing that Yardmaster owns can change it as it stands now.",
    unknown: "What is legal could not be found out.",
  },
  executor_alive: {
    label: "A live executor serves the queue",
    met: "At least one executor with a heartbeat in time serves it.",
    missing: "None serves it, or all that do are missing.",
    unknown: "The executors could not be read.",
  },
  worker_known: {
    label: "A live executor knows the worker",
    met: "At least one executor has code for the worker.",
    missing: "No live executor that serves the queue has code for the worker.",
    unknown: "No live executor could be asked.",
  },
  queue_open: {
    label: "The queue is not paused",
    met: "Its jobs can be claimed.",
    missing: "Nothing in it is claimed until it is resumed.",
    unknown: "The queue has no record yet.",
  },
  expression_reads: {
    label: "The expression can be read",
    met: "Its next fires can be computed.",
    missing: "It has to be corrected where it is declared.",
    unknown: "There is no expression to read.",
  },
  plan_watched: {
    label: "A scheduler looks at the plan",
    met: "A process looked at the plan in the last minutes.",
    missing: "No process has looked at the plan in the last minutes.",
    unknown: "No process has ever recorded that it looked.",
  },
} as const;
/** One of the keys of {@linkcode PREREQUISITES}. */
export type PrerequisiteCode = keyof typeof PREREQUISITES;
/** Whether a prerequisite holds. */
export type PrerequisiteState = "met" | "missing" | "unknown";

/** What to keep in mind, each only where it applies. */
export const CAUTIONS = {
  degraded_evidence: {
    severity: "warning",
    label: "Part of the evidence is not there",
    detail: "Look at the completeness of each source before you decide.",
  },
  may_repeat: {
    severity: "warning",
    label: "The work may repeat",
    detail: "An attempt had started. A retry begins again from the start.",
  },
  run_continues: {
    severity: "warning",
    label: "A run may go on for a moment",
    detail:
      "The record changes at once; the process hears of it a little later.",
  },
  refused_before: {
    severity: "warning",
    label: "The last command on it was refused",
    detail: "Its audit event names the refusal and the legal next steps.",
  },
  takes_no_slot: {
    severity: "info",
    label: "A run now is extra",
    detail: "It takes no planned instant away from the plan.",
  },
  not_made_up: {
    severity: "info",
    label: "Fires of the pause are not made up",
    detail:
      "What was planned meanwhile passes without a job, also on resuming.",
  },
  host_step: {
    severity: "info",
    label: "One of the steps is yours",
    detail: "Nothing here can see whether a host-owned step was taken.",
  },
} as const;
/** One of the keys of {@linkcode CAUTIONS}. */
export type CautionCode = keyof typeof CAUTIONS;

/** What the entry does not do, said where an operator could expect it. */
export const BOUNDARIES = {
  advice:
    "It is advice: an audited action begins on the thing's page, with a preview.",
  host: "What comes of a host-owned step is recorded by its owner, not here.",
} as const;
/** One of the keys of {@linkcode BOUNDARIES}. */
export type BoundaryCode = keyof typeof BOUNDARIES;

/** What the collectors found out, and the runbook decides upon. */
export interface RunbookFacts {
  readonly diagnosis: DiagnosisCode;
  readonly completeness: Completeness;
  /** Commands that are legal as things stand, whoever asks. */
  readonly legal: readonly Action[];
  readonly targets: Readonly<Partial<Record<Opens, PathTarget>>>;
  readonly prerequisites: Readonly<
    Partial<Record<PrerequisiteCode, PrerequisiteState>>
  >;
  /** Those that the collector saw a cause for. */
  readonly cautions: readonly CautionCode[];
}

/** Advice for one diagnosis, evaluated from facts. It keeps no state. */
export interface RunbookEntry {
  readonly diagnosis: DiagnosisCode;
  readonly prerequisites: readonly {
    readonly code: PrerequisiteCode;
    readonly state: PrerequisiteState;
  }[];
  readonly cautions: readonly CautionCode[];
  /** In the order in which to go. */
  readonly paths: readonly NextPath[];
  readonly boundaries: readonly BoundaryCode[];
  readonly completeness: Completeness;
}

/**
 * The runbook entry for a diagnosis.
 *
 * A step of ours without a page to open is left out, and so is an action that
 * is not legal now; a host's step has no page and stays as guidance.
 */
export function runbookEntry(facts: RunbookFacts): RunbookEntry {
  const paths = pathsOf(RUNBOOK[facts.diagnosis], facts);
  const hosted = paths.some((path) => path.owner === "host");
  return {
    diagnosis: facts.diagnosis,
    prerequisites: prerequisitesOf(facts),
    cautions: cautionsOf(facts, { hosted }),
    paths,
    boundaries: hosted ? ["advice", "host"] : ["advice"],
    completeness: facts.completeness,
  };
}

/**
 * Everything that can be done from here: the actions that are legal, and the
 * places to look. The runbook recommends some of it; this is all of it.
 */
export function legalNextPaths(facts: RunbookFacts): readonly NextPath[] {
  const recommended = RUNBOOK[facts.diagnosis];
  if (facts.diagnosis === "subject_unknown") return pathsOf(recommended, facts);
  const actions = ACTION_STEPS.filter((step) =>
    facts.legal.includes(STEPS[step].action)
  );
  const hosted = recommended.filter((step) => STEPS[step].owner === "host");
  return pathsOf(
    ["review_subject", ...actions, "inspect_audit", ...hosted],
    facts,
  );
}

const ACTION_STEPS = [
  "retry_job",
  "cancel_job",
  "discard_job",
  "pause_cron_entry",
  "resume_cron_entry",
  "run_cron_entry",
  "pause_queue",
  "resume_queue",
  "scale_queue",
  "clear_limiter_cooldown",
  "cool_down_limiter",
  "scale_limiter",
] as const satisfies readonly StepCode[];

function pathsOf(
  steps: readonly StepCode[],
  facts: RunbookFacts,
): readonly NextPath[] {
  return steps.flatMap((step) => {
    const { owner, posture, intent, opens } = STEPS[step];
    const target = facts.targets[opens] ?? null;
    if (owner !== "host" && target === null) return [];
    if (!isLegalStep(step, facts.legal)) return [];
    return [{ step, owner, posture, intent, target }];
  });
}

function prerequisitesOf(
  { diagnosis, completeness, legal, prerequisites }: RunbookFacts,
): RunbookEntry["prerequisites"] {
  const all: Partial<Record<PrerequisiteCode, PrerequisiteState>> = {
    evidence_complete: completeness === "complete"
      ? "met"
      : completeness === "unknown"
      ? "unknown"
      : "missing",
    legal_action: diagnosis === "subject_unknown"
      ? "unknown"
      : legal.length > 0
      ? "met"
      : "missing",
    ...prerequisites,
  };
  return PREREQUISITE_CODES.flatMap((code) => {
    const state = all[code];
    return state === undefined ? [] : [{ code, state }];
  });
}

const PREREQUISITE_CODES = Object.keys(PREREQUISITES) as PrerequisiteCode[];
const CAUTION_CODES = Object.keys(CAUTIONS) as CautionCode[];

function cautionsOf(
  { completeness, cautions }: RunbookFacts,
  { hosted }: { readonly hosted: boolean },
): readonly CautionCode[] {
  const apply = new Set(cautions);
  if (completeness !== "complete") apply.add("degraded_evidence");
  if (hosted) apply.add("host_step");
  return CAUTION_CODES.filter((code) => apply.has(code));
}
