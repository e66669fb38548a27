import type { ResourceRef } from "../../seams.ts";
import type { AttemptEventDetail } from "../../store/job_detail.ts";
import type { JobFacts } from "../job_facts.ts";
import { html, lineOf, type Markup, text } from "../render.ts";
import { jsonView } from "./json_view.ts";
import { panel } from "./panel.ts";
import { timeBoth } from "./time.ts";

const ERRORS_MAX = 10;
const LINE_MAX = 500;

/** Why attempts failed, the newest first; nothing where none did. */
export function jobErrors(facts: JobFacts): Markup | null {
  const { errors, job } = facts;
  if (errors.length === 0) return null;
  const resource: ResourceRef = { type: "job", id: job.jobId };
  const more = errors.length > ERRORS_MAX
    ? html`<p class="muted">Older errors are in the forensics of this job.</p>`
    : null;
  return panel({
    id: text`errors`,
    title: text`Errors`,
    body: html`<ol class="errors">${
      errors.slice(0, ERRORS_MAX).map((error) =>
        errorItem(error, { facts, resource })
      )
    }</ol>${more}`,
  });
}

function errorItem(
  { attempt, at, message, stack, fingerprint, topFrame }: AttemptEventDetail,
  { facts, resource }: {
    readonly facts: JobFacts;
    readonly resource: ResourceRef;
  },
): Markup {
  const { show, now } = facts;
  const shown = show.error(
    { message: message ?? "", topFrame, stack },
    resource,
  );
  const line = lineOf(shown.message, LINE_MAX);
  const group = fingerprint === null ? null : html`
    · fingerprint <code>${show("name", fingerprint, resource)}</code>
  `;
  return html`
    <li>
      <p class="error-line">${line}</p>
      <p class="muted">Attempt ${attempt}${group}</p>
      ${shown.topFrame === null
        ? null
        : html`<p class="muted mono">${lineOf(shown.topFrame, LINE_MAX)}</p>`}
      ${line === shown.message.trim() ? null : html`
        <details>
          <summary>Whole message</summary>
          ${jsonView(shown.message)}
        </details>
      `} ${shown.stack === null ? null : html`
        <details>
          <summary>Stack</summary>
          ${jsonView(shown.stack)}
        </details>
      `}
      <div class="error-time">${timeBoth(at, now)}</div>
    </li>
  `;
}
