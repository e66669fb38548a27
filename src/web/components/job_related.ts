import type { ResourceRef } from "../../seams.ts";
import type { JobFacts } from "../job_facts.ts";
import { type Href, html, type Markup, type Plain, text } from "../render.ts";
import { panel } from "./panel.ts";

/** Where to go from a job: evidence first, then its neighbours. */
export function jobRelated(facts: JobFacts): Markup {
  const { job, paths, mayOpen, show, linkTo } = facts;
  const selectors = { resource_type: "job", resource_id: job.jobId } as const;
  const links: readonly (Markup | null)[] = [
    mayOpen.forensics
      ? item(paths.forensics(selectors), text`Forensics of this job`)
      : null,
    mayOpen.audit
      ? item(paths.audit(selectors), text`Audit of this job`)
      : null,
    cronLink(facts),
    jobLink(facts, [
      job.cronPreviousId,
      text`Job before it, of the same cron entry`,
    ]),
    jobLink(facts, [
      job.cronNextId,
      text`Job after it, of the same cron entry`,
    ]),
    jobLink(facts, [job.parentId, text`Parent job`]),
    job.uniqueHolderId === job.jobId ? null : jobLink(facts, [
      job.uniqueHolderId,
      text`Job that holds its unique key`,
    ]),
    item(
      paths.jobs({ state: job.state, worker: job.worker }),
      html`${text`Jobs of worker`} ${
        show("name", job.worker, { type: "job", id: job.jobId })
      }`,
    ),
    linkTo({ type: "queue", id: job.queue }) === null ? null : item(
      paths.jobs({ state: job.state, queue: job.queue }),
      html`Jobs in queue ${
        show("name", job.queue, { type: "queue", id: job.queue })
      }`,
    ),
  ];
  return panel({
    id: text`related`,
    title: text`Related`,
    body: html`<ul class="links">${links.filter((link) => link !== null)}</ul>`,
  });
}

function item(href: Href, label: Plain | Markup): Markup {
  return html`<li><a href="${href}">${label}</a></li>`;
}

function cronLink({ job, linkTo, show }: JobFacts): Markup | null {
  if (job.cronEntry === null) return null;
  const resource: ResourceRef = { type: "cron_entry", id: job.cronEntry };
  const name = show("name", job.cronEntry, resource);
  const href = linkTo(resource);
  return href === null
    ? html`<li>Cron entry ${name}</li>`
    : item(href, html`Cron entry ${name}`);
}

function jobLink(
  { linkTo }: JobFacts,
  [id, label]: readonly [`${bigint}` | null, Plain],
): Markup | null {
  const href = id === null ? null : linkTo({ type: "job", id });
  return href === null || id === null
    ? null
    : item(href, html`${label} <span class="mono muted">${id}</span>`);
}
