import type { Action } from "../../domain/action.ts";
import { type NextStep, nextSteps } from "../../domain/explain_told.ts";
import { STEPS } from "../../domain/runbook_steps.ts";
import type { JobState } from "../../domain/state.ts";
import type { JobAction, JobFacts } from "../job_facts.ts";
import { type Href, html, type Markup, type Plain, text } from "../render.ts";
import { previewButton } from "./form.ts";

const LABELS = {
  retry_job: text`Retry job…`,
  cancel_job: text`Cancel job…`,
  discard_job: text`Discard job…`,
} as const satisfies Record<JobAction["action"], Plain>;

/**
 * What can be done now: the steps that the reasons call for, then every other
 * action that is legal, with those that end it last; and of what is not, why.
 */
export function jobActions(facts: JobFacts): Markup {
  const { job, actions } = facts;
  const steps = stepsOf(facts);
  const called = (action: Action) =>
    steps.some((step) => step.action === action);
  const legal = actions.filter((action) => action.legal);
  // What ends a job comes after what one looks at before that.
  const first = legal.filter(({ action }) =>
    called(action) && action === "retry_job"
  );
  const others = legal.filter((one) => !first.includes(one));
  return html`
    <div class="actions" id="next-steps">
      ${called("resume_queue") ? resumeButton(facts) : null}
      ${first.map((action) => button(action, facts))}
      ${stepLinks(steps, facts)}
      ${others.map((action) => button(action, facts))}
      ${actions.filter(({ legal }) => !legal).map(({ action }) =>
        unavailable(action, job.state)
      )}
    </div>
    ${hostSteps(steps)}
  `;
}

/** The steps of all reasons, each once, in their order. */
function stepsOf({ explanation, told }: JobFacts): readonly NextStep[] {
  const { reasons, legal } = explanation;
  const all = reasons.flatMap((reason) =>
    nextSteps(reason, { job: told.job, legal })
  );
  return [...new Map(all.map((one) => [one.step, one])).values()];
}

/** Steps that lead elsewhere: its queue, its cron entry, executors, the audit. */
function stepLinks(
  steps: readonly NextStep[],
  facts: JobFacts,
): readonly (Markup | null)[] {
  const seen = new Set<string>();
  return steps.map((step) => {
    if (step.owner !== "native" || step.target?.id === facts.job.jobId) {
      return null;
    }
    // It has a button of its own.
    if (step.action === "resume_queue") return null;
    const href = hrefOf(step, facts);
    if (href === null || seen.has(href)) return null;
    seen.add(href);
    return html`<a class="button" href="${href}">${STEPS[step.step].label}</a>`;
  });
}

function resumeButton(facts: JobFacts): Markup {
  return previewButton({
    action: "resume_queue",
    targetId: facts.job.queue,
    label: text`Resume its queue…`,
    disabled: facts.mayResume ? null : text`needs resume_queue`,
  }, facts);
}

function hrefOf(
  { step, target }: NextStep,
  { linkTo, paths, mayOpen, job }: JobFacts,
): Href | null {
  if (target !== null) return linkTo(target);
  if (step === "review_executors") {
    return mayOpen.queues ? paths.executors() : null;
  }
  return step === "inspect_audit" && mayOpen.audit
    ? paths.audit({ resource_type: "job", resource_id: job.jobId })
    : null;
}

/** What only the host can do; there is nothing of ours to press. */
function hostSteps(steps: readonly NextStep[]): Markup | null {
  const owned = steps.filter(({ owner }) => owner === "host");
  if (owned.length === 0) return null;
  return html`<p class="muted">Yours to do: ${
    owned.map((step, index) =>
      html`${
        index === 0 ? null : html`
          ;
        `
      }${STEPS[step.step].label}`
    )
  }.</p>`;
}

function button({ action, allowed }: JobAction, facts: JobFacts): Markup {
  return previewButton({
    action,
    targetId: facts.job.jobId,
    label: LABELS[action],
    variant: action === "retry_job" ? "plain" : "danger",
    disabled: allowed ? null : text`needs the permission ${action}`,
  }, facts);
}

function unavailable(action: keyof typeof LABELS, state: JobState): Markup {
  return html`<span class="muted">${
    VERBS[action]
  }: not while it is ${state}.</span>`;
}

const VERBS = {
  retry_job: text`Retry`,
  cancel_job: text`Cancel`,
  discard_job: text`Discard`,
} as const satisfies Partial<Record<Action, Plain>>;
