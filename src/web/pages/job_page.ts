import { ARGS_VERSION_KEY } from "../../domain/args_version.ts";
import { REDACTED_KEY } from "../../domain/redaction.ts";
import { EVENTS_KEPT, TERMINAL_STATES } from "../../domain/state.ts";
import type { ResourceRef } from "../../seams.ts";
import { argsView } from "../components/args_view.ts";
import { jobActions } from "../components/job_actions.ts";
import { jobErrors } from "../components/job_errors.ts";
import { jobIdentity } from "../components/job_identity.ts";
import { jobOutput } from "../components/job_output.ts";
import { jobRelated } from "../components/job_related.ts";
import { jobWhy } from "../components/job_why.ts";
import { jsonView } from "../components/json_view.ts";
import { panel, readOnlyBanner } from "../components/panel.ts";
import { timeline } from "../components/timeline.ts";
import type { JobFacts } from "../job_facts.ts";
import { type Href, html, type Markup, text } from "../render.ts";

/** One job: why it is where it is, what can be done, and everything on record. */
export function jobPage(facts: JobFacts, back: Href): Markup {
  const { job, show } = facts;
  const worker = show("name", job.worker, resourceOf(facts));
  return html`
    <header class="page-head">
      <div>
        <p class="crumbs"><a href="${back}">Jobs</a></p>
        <h1>${worker}</h1>
        <p>
          Job <code>${job.jobId}</code>
          <button class="button" data-variant="link" type="button" data-copy="${job
            .jobId}">Copy id</button>
        </p>
      </div>
    </header>
    ${jobLive(facts)}
  `;
}

/** The part of the page that refreshes itself, for as long as there is news. */
export function jobLive(facts: JobFacts): Markup {
  const { job, paths, readOnly } = facts;
  const isOver = TERMINAL_STATES.some((state) => state === job.state);
  const poll = isOver ? null : html`
    hx-get="${paths.job(job.jobId)}" hx-trigger="every 5s" hx-swap="outerMorph"
  `;
  return html`
    <div class="stack" id="job-live" ${poll}>
      ${jobWhy(facts)}
      ${readOnly
        ? readOnlyBanner(text`You may look at this job, and not change it.`)
        : null}
      ${jobActions(facts)}
      <div class="split">
        <div class="stack">${history(facts)} ${jobErrors(facts)} ${payload(
          facts,
        )} ${jobOutput(facts)}</div>
        <div class="stack">${jobIdentity(facts)} ${jobRelated(facts)}</div>
      </div>
    </div>
  `;
}

function resourceOf({ job }: JobFacts): ResourceRef {
  return { type: "job", id: job.jobId };
}

function history(facts: JobFacts): Markup {
  const { timeline: items, hasOlderEvents, mayOpen } = facts;
  const more = hasOlderEvents
    ? html`<p class="muted">
        Older attempts are in the forensics of this job. Where much was told of
        one, the first event and the newest ${EVENTS_KEPT} are kept.
      </p>`
    : null;
  const resource = resourceOf(facts);
  return panel({
    id: text`timeline`,
    title: text`Timeline`,
    body: html`${
      timeline(items, { ...facts, resource, audit: mayOpen.audit })
    }${more}`,
  });
}

/** Without what Yardmaster keeps there, which is told beside the args. */
function ownMeta(meta: unknown): unknown {
  if (typeof meta !== "object" || meta === null) return meta;
  const hidden: readonly string[] = [REDACTED_KEY, ARGS_VERSION_KEY];
  return Object.fromEntries(
    Object.entries(meta).filter(([key]) => !hidden.includes(key)),
  );
}

function payload(facts: JobFacts): Markup {
  const { job, show, openedArgs: opened } = facts;
  const resource = resourceOf(facts);
  const args = argsView({ ...job, opened }, { show, resource });
  const meta = jsonView(show.block("meta", ownMeta(job.meta), resource));
  return html`
    ${panel({ id: text`args`, title: text`Args`, body: args })}
    ${panel({ id: text`meta`, title: text`Meta`, body: meta })}
  `;
}
