import { nextStepLabel, REFUSALS, refused } from "../../control/refusal.ts";
import type { AuditEvent } from "../../domain/audit.ts";
import { changedNames } from "../../domain/preview.ts";
import {
  actorOf,
  type AuditRowContext,
  hashText,
  resourceCell,
  resourceOf,
  resultCell,
} from "../components/audit_rows.ts";
import { postureBadge } from "../components/badge.ts";
import { jsonView } from "../components/json_view.ts";
import { panel } from "../components/panel.ts";
import { snapshotDiff } from "../components/snapshot_diff.ts";
import { type Content, definitions } from "../components/table.ts";
import { timeBoth } from "../components/time.ts";
import { code, html, type Markup, type Plain, text } from "../render.ts";

/** What the page of one event depends on besides. */
export interface AuditEventContext extends AuditRowContext {
  /** Whether the actor may open forensics. */
  readonly forensics: boolean;
}

/** One event: who, what, why, and what it was before and after. */
export function auditEventPage(
  event: AuditEvent,
  context: AuditEventContext,
): Markup {
  const { paths } = context;
  return html`
    <header class="page-head">
      <div>
        <p class="crumbs"><a href="${paths.audit()}">Audit</a></p>
        <h1><code>${code(event.eventType)}</code> <span class="muted">#${event
          .id}</span></h1>
      </div>
      ${postureBadge("inspection", paths)}
    </header>
    ${event.refusal === null ? null : refusal(event, event.refusal, context)}
    ${panel({
      id: text`event`,
      title: text`What happened`,
      body: definitions(facts(event, context)),
      aside: html`<span class="actions">${links(event, context)}</span>`,
    })}
    ${change(event, context)} ${chain(event, context)}
  `;
}

function facts(
  event: AuditEvent,
  context: AuditEventContext,
): readonly (readonly [Plain, Content])[] {
  const { paths, show, now } = context;
  const resource = resourceOf(event);
  const by = show("actor", event.actorId, resource);
  const type = event.principalType;
  const principal = type === null
    ? html`<span class="muted">None</span>`
    : html`${actorOf(event, show)} <span class="muted">${code(type)}</span>`;
  return [
    [text`Result`, resultCell(event, paths)],
    [text`Action`, html`<code>${code(event.action)}</code>`],
    [text`Resource`, resourceCell(resource, context)],
    [text`Actor`, by],
    [text`Principal`, principal],
    [text`Reason`, show("reason", event.reason, resource)],
    [text`Time`, timeBoth(event.at, now)],
    [
      text`Preview`,
      event.previewId === null
        ? html`<span class="muted">None</span>`
        : html`<span>Preview ${event.previewId}</span>`,
    ],
  ];
}

function links(event: AuditEvent, context: AuditEventContext): Markup {
  const { paths, linkTo, forensics } = context;
  const resource = resourceOf(event);
  const scope = {
    resource_type: resource.type,
    resource_id: resource.id,
  };
  const thing = linkTo(resource);
  return html`
    ${thing && html`<a href="${thing}">Open it</a>`}
    <a href="${paths.audit(scope)}">All events of it</a>
    ${forensics
      ? html`<a href="${paths.forensics(scope)}">Open forensic timeline</a>`
      : null}
  `;
}

/** Outcome, reason, next move, venue, machine code: always in this order. */
function refusal(
  event: AuditEvent,
  stored: string,
  { show }: AuditEventContext,
): Markup {
  const known = REFUSALS.find((candidate) => candidate === stored);
  const sentence = known === undefined
    ? text`It was refused, for a reason that this version does not know.`
    : refused(known).message as Plain;
  const steps = event.legalNextSteps.map((step) =>
    html`<li>${stepText(step)}</li>`
  );
  const details = show("snapshot", event.details, resourceOf(event));
  return html`
    <section class="refusal" aria-labelledby="refusal-title">
      <h2 id="refusal-title">Refused: nothing was changed</h2>
      ${definitions([
        [text`Reason`, sentence],
        [
          text`Legal next move`,
          steps.length === 0
            ? text`None from there`
            : html`<ul class="steps">${steps}</ul>`,
        ],
        [text`Venue`, text`Yardmaster-native`],
        [text`Machine code`, html`<code>${code(stored)}</code>`],
        [text`Recorded details`, html`<code>${details}</code>`],
      ])}
    </section>
  `;
}

/** The words of our own table; a step that it does not have, by its code. */
function stepText(step: string): Plain {
  const label = nextStepLabel(step);
  return label === step ? code(step) : label as Plain;
}

/** What it was and what it became, as far as the display policy lets us say. */
function change(event: AuditEvent, { show }: AuditEventContext): Markup | null {
  const { before, after } = event;
  const target = resourceOf(event);
  const only = before ?? after;
  if (only === null) return null;
  const body = before === null || after === null
    ? html`
      <p class="muted">Only what it was ${before === null
        ? "afterwards"
        : "before"} is recorded.</p>
      ${jsonView(show.block("snapshot", only, target))}
    `
    : snapshotDiff({
      caption: text`What the event changed`,
      headings: [text`Before`, text`After`],
      before,
      after,
      changed: changedNames(before, after),
    }, { show, target });
  return panel({ id: text`change`, title: text`Before and after`, body });
}

function chain(event: AuditEvent, { paths }: AuditEventContext): Markup {
  const previous = BigInt(event.id) - 1n;
  const before = `${previous}` as const;
  return panel({
    id: text`chain`,
    title: text`Place in the chain`,
    body: html`
      ${definitions([
        [text`Hash`, html`<code class="hash">${hashText(event.hash)}</code>`],
        [
          text`Previous hash`,
          html`<code class="hash">${hashText(event.previousHash)}</code>`,
        ],
        [
          text`Previous event`,
          previous < 1n
            ? text`None: it is the first`
            : html`<a href="${paths.auditEvent(before)}">#${before}</a>`,
        ],
      ])}
      <p class="muted">
        Each event carries the hash of the one before it, so an edited, removed
        or reordered event breaks the chain. This page shows the event;
        <code>yardmaster audit verify</code> checks the chain.
      </p>
    `,
  });
}
