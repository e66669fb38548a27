/** Why a job is where it is, before everything else that is known of it. */
import { DIAGNOSES } from "../../domain/diagnosis.ts";
import { CLEARS, type Reason } from "../../domain/explain_reason.ts";
import {
  explanationNotes,
  reasonSentence,
} from "../../domain/explain_words.ts";
import type { JobFacts } from "../job_facts.ts";
import { html, type Markup, text } from "../render.ts";
import { stateBadge, statusChip, statusTone } from "./badge.ts";
import { panel, verdict } from "./panel.ts";
import { sentenceMarkup } from "./sentence.ts";
import { timeBoth } from "./time.ts";

/** The first reason, the others, and when it can run at the earliest. */
export function jobWhy(facts: JobFacts): Markup {
  const { job, explanation, paths } = facts;
  const [lead, ...others] = explanation.reasons;
  const context = contextOf(facts);
  const notes = explanationNotes(facts.told).map((note) =>
    html`<span class="verdict-also">${sentenceMarkup(note, context)}</span>`
  );
  return html`
    ${verdict({
      tone: statusTone(DIAGNOSES[lead.code].status),
      sentence: html`
        ${DIAGNOSES[lead.code].title}. <span
          class="verdict-also">${sentenceMarkup(
            reasonSentence(lead),
            context,
          )}</span> ${notes} ${earliest(facts)}
      `,
      aside: stateBadge(job.state, paths),
    })}
    ${others.length === 0 ? null : panel({
      id: text`also`,
      title: text`What else holds it up`,
      body: html`<ul class="related">${
        others.map((each) => reasonItem(each, facts))
      }</ul>`,
    })}
  `;
}

function contextOf({ job, show, now, linkTo }: JobFacts) {
  const resource = { type: "job", id: job.jobId } as const;
  return { show, now, linkTo, resource };
}

function reasonItem(reason: Reason, facts: JobFacts): Markup {
  const { status, title } = DIAGNOSES[reason.code];
  return html`
    <li>
      <p><strong>${title}</strong> ${statusChip(status, facts.paths)}</p>
      <p>${sentenceMarkup(reasonSentence(reason), contextOf(facts))}</p>
    </li>
  `;
}

/** Only of a job that waits: of the others the sentence says when. */
function earliest({ explanation, now }: JobFacts): Markup | null {
  const { reasons, earliestAt, runnable } = explanation;
  const clears = reasons.map(({ code }) => CLEARS[code]);
  const waits = clears.some((how) =>
    how === "by_itself" || how === "by_somebody"
  );
  if (!waits || runnable || reasons[0].code === "job_executor_missing") {
    return null;
  }
  if (earliestAt !== null) {
    return html`<span class="verdict-also">Earliest start: ${
      timeBoth(earliestAt, now)
    }</span>`;
  }
  const somebody = clears.includes("by_somebody");
  return html`<span class="verdict-also">Earliest start: not known${
    somebody ? html`, because somebody has to act first` : null
  }.</span>`;
}
