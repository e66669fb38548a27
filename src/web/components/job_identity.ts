import { argsVersionOf } from "../../domain/args_version.ts";
import type { ResourceRef } from "../../seams.ts";
import type { JobFacts } from "../job_facts.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import { stateBadge } from "./badge.ts";
import { healthBadge } from "./health_badge.ts";
import { tagChips } from "./job_rows.ts";
import { panel } from "./panel.ts";
import { type Content, definitions } from "./table.ts";
import { durationText, timeBoth } from "./time.ts";

/** What a job is, and the instants of its life. */
export function jobIdentity(facts: JobFacts): Markup {
  const { job, show, paths, now, linkTo } = facts;
  const resource: ResourceRef = { type: "job", id: job.jobId };
  const queue: ResourceRef = { type: "queue", id: job.queue };
  const queueName = show("name", job.queue, queue);
  const queueHref = linkTo(queue);
  const instants: readonly (readonly [Plain, Date | null])[] = [
    [text`Inserted`, job.insertedAt],
    [text`Due`, job.runAt],
    [text`Claimed`, job.claimedAt],
    [text`Ended`, job.finishedAt],
    [text`Deadline`, job.deadlineAt],
  ];
  const rows: readonly (readonly [Plain, Content] | null)[] = [
    [text`State`, stateBadge(job.state, paths)],
    [text`Worker`, show("name", job.worker, resource)],
    [
      text`Queue`,
      queueHref === null
        ? queueName
        : html`<a href="${queueHref}">${queueName}</a>`,
    ],
    [text`Attempt`, html`${job.attempt} of ${job.maxAttempts}`],
    [
      text`Priority`,
      html`${job.priority} <span class="muted">of 0 to 9, 0 first</span>`,
    ],
    ...instants.map(([label, at]) =>
      at === null ? null : [label, timeBoth(at, now)] as const
    ),
    job.tookMs === null || job.executorId === null
      ? null
      : [text`Took`, durationText(job.tookMs)],
    executorRow(facts),
    job.tags.length === 0
      ? null
      : [text`Tags`, tagChips(job.tags, { show, resource, max: 50 })],
    argsVersionOf(job.meta) === 1
      ? null
      : [text`Args`, html`Version ${argsVersionOf(job.meta)}`],
    job.uniqueKey === null ? null : [
      text`Unique key`,
      html`<span class="mono">${show("name", job.uniqueKey, resource)}</span>`,
    ],
    receiptRow(facts),
    job.trace === null ? null : [
      text`Trace`,
      html`<span class="mono">${show("name", job.trace, resource)}</span>`,
    ],
  ];
  return panel({
    id: text`identity`,
    title: text`Identity`,
    body: definitions(rows.filter((row) => row !== null)),
  });
}

/** That there is one, and never of what. */
function receiptRow(
  { job: { receiptUntil }, now }: JobFacts,
): readonly [Plain, Content] | null {
  if (receiptUntil === null) return null;
  const at = timeBoth(receiptUntil, now);
  return [
    text`Receipt`,
    receiptUntil > now ? html`ends ${at}` : html`ended ${at}`,
  ];
}

function executorRow(
  { job, executor, show, paths }: JobFacts,
): readonly [Plain, Content] | null {
  if (job.executorId === null) return null;
  if (executor === null) {
    return [
      text`Executor`,
      html`${job.executorId} <span class="muted">not on record</span>`,
    ];
  }
  const name = show("name", executor.name, { type: "job", id: job.jobId });
  const health = job.state === "executing"
    ? healthBadge(executor.health, { paths })
    : null;
  return [
    text`Executor`,
    html`${name} <span class="muted">#${executor.id}</span> ${health}`,
  ];
}
