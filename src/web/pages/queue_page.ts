import { DIAGNOSES } from "../../domain/diagnosis.ts";
import type { QueueExplanation } from "../../domain/explain_queue.ts";
import type { QueueFacts } from "../../domain/explain_queue_facts.ts";
import { queueSentence } from "../../domain/explain_queue_words.ts";
import type { ResourceRef } from "../../seams.ts";
import { statusChip, statusTone } from "../components/badge.ts";
import { executorTable } from "../components/executor_rows.ts";
import { previewButton } from "../components/form.ts";
import { panel, readOnlyBanner, verdict } from "../components/panel.ts";
import {
  jobCount,
  pauseOrResume,
  type QueueContext,
  queueLimit,
  queueStatus,
  type ServedQueue,
} from "../components/queue_rows.ts";
import { queueReasons } from "../components/queue_reasons.ts";
import { sentenceMarkup } from "../components/sentence.ts";
import { definitions } from "../components/table.ts";
import { timeBoth } from "../components/time.ts";
import { type Href, html, type Markup, type Plain, text } from "../render.ts";

/** What the page of one queue shows. */
export interface QueuePage {
  readonly served: ServedQueue;
  readonly explanation: QueueExplanation;
  /** What it is explained with. */
  readonly facts: QueueFacts;
  readonly readOnly: boolean;
  readonly mayOpen: { readonly forensics: boolean; readonly audit: boolean };
}

/** One queue: how it is, who serves it, and what can be done. */
export function queuePage(page: QueuePage, context: QueueContext): Markup {
  const { queue } = page.served;
  const { show, paths } = context;
  return html`
    <header class="page-head">
      <div>
        <p class="crumbs"><a href="${paths.queues()}">Queues</a></p>
        <h1>${show("name", queue.name, resourceOf(page))}</h1>
      </div>
    </header>
    ${queueLive(page, context)}
  `;
}

/** The part of the page that refreshes itself. */
export function queueLive(page: QueuePage, context: QueueContext): Markup {
  const { served, readOnly } = page;
  const { paths } = context;
  const here = paths.queue(served.queue.name);
  return html`
    <div class="stack" id="queue-live" hx-get="${here}" hx-trigger="every 5s"
      hx-swap="outerMorph">
      ${queueVerdict(page, context)}
      ${readOnly
        ? readOnlyBanner(text`You may look at this queue, and not change it.`)
        : null}
      <div class="actions">
        ${pauseOrResume(served, context)} ${scale(served, context)}
      </div>
      ${queueReasons(page.explanation, {
        ...context,
        name: page.served.queue.name,
      })}
      <div class="split" data-even>
        ${state(page, context)} ${related(page, context)}
      </div>
      ${executors(page, context)}
    </div>
  `;
}

function resourceOf({ served }: QueuePage): ResourceRef {
  return { type: "queue", id: served.queue.name };
}

function queueVerdict(
  page: QueuePage,
  { show, now, paths }: QueueContext,
): Markup {
  const { status, title } = DIAGNOSES[page.explanation.code];
  const context = { show, now, resource: resourceOf(page) };
  return verdict({
    tone: statusTone(status),
    sentence: html`${title}. <span class="verdict-also">${
      sentenceMarkup(queueSentence(page.facts), context)
    }</span>`,
    aside: statusChip(status, paths),
  });
}

function scale({ queue, may }: ServedQueue, context: QueueContext): Markup {
  const { chosenLimit, declaredLimit } = queue;
  const hint = declaredLimit === null
    ? html`
      placeholder="as declared"
    `
    : html`
      placeholder="${declaredLimit}, as declared"
    `;
  const disabled = !queue.recorded
    ? text`no process has declared it`
    : may.scale_queue
    ? null
    : text`needs scale_queue`;
  return previewButton({
    action: "scale_queue",
    targetId: queue.name,
    label: text`Scale…`,
    disabled,
    field: html`
      <label
        class="inline-field">Limit for each executor <input id="new-limit" type="number" name="param_limit" min="1" max="10000" value="${chosenLimit}"${hint}></label>
    `,
  }, context);
}

function state(page: QueuePage, context: QueueContext): Markup {
  const { queue } = page.served;
  const { now } = context;
  const count = (state: Parameters<typeof jobCount>[1]["state"]) =>
    jobCount(queue, { state, context });
  const oldest = queue.oldestInsertedAt === null
    ? html`<span class="muted">None</span>`
    : html`${timeBoth(queue.oldestInsertedAt, now)}`;
  return panel({
    id: text`state`,
    title: text`Where it stands`,
    body: definitions([
      [text`Status`, queueStatus(queue, context)],
      [text`Limit`, queueLimit(queue)],
      [text`Available`, count("available")],
      [text`Oldest of them, inserted`, oldest],
      [text`Executing`, count("executing")],
      [text`Scheduled`, count("scheduled")],
      [text`Retryable`, count("retryable")],
      [
        text`Next is due`,
        queue.nextRunAt === null
          ? html`<span class="muted">None</span>`
          : timeBoth(queue.nextRunAt, now),
      ],
    ]),
  });
}

function executors({ served }: QueuePage, context: QueueContext): Markup {
  const caption = text`Executors that serve it`;
  return panel({
    id: text`executors`,
    title: caption,
    body: executorTable(served.executors, { ...context, caption }),
  });
}

function related(page: QueuePage, context: QueueContext): Markup | null {
  const { mayOpen, served } = page;
  const { paths, mayOpenJobs } = context;
  const selectors = {
    resource_type: "queue",
    resource_id: served.queue.name,
  } as const;
  const links = [
    mayOpen.forensics
      ? link(paths.forensics(selectors), text`Forensics of this queue`)
      : null,
    mayOpen.audit
      ? link(paths.audit(selectors), text`Audit of this queue`)
      : null,
    ...(["completed", "discarded"] as const).map((state) =>
      mayOpenJobs
        ? link(
          paths.jobs({ state, queue: served.queue.name }),
          text`Its ${state} jobs`,
        )
        : null
    ),
  ];
  if (links.every((each) => each === null)) return null;
  return panel({
    id: text`related`,
    title: text`Related`,
    body: html`<ul class="links">${links}</ul>`,
  });
}

function link(href: Href, label: Plain): Markup {
  return html`<li><a href="${href}">${label}</a></li>`;
}
