import type { Action } from "../../domain/action.ts";
import type { JobState } from "../../domain/state.ts";
import type { JobAction, JobFacts } from "../job_facts.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import { previewButton } from "./form.ts";

const LABELS = {
  retry_job: text`Retry job…`,
  cancel_job: text`Cancel job…`,
  discard_job: text`Discard job…`,
} as const satisfies Record<JobAction["action"], Plain>;

/** What can be done to a job now; and of what can not, why. */
export function jobActions(facts: JobFacts): Markup {
  const { job, actions } = facts;
  const legal = actions.filter((action) => action.legal);
  const others = actions.filter((action) => !action.legal);
  return html`
    <div class="actions">
      ${legal.map((action) => button(action, facts))}
      ${others.map(({ action }) => unavailable(action, job.state))}
    </div>
  `;
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
