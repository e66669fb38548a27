import type { AuditEvent, AuditResult } from "../../domain/audit.ts";
import type { ResourceRef } from "../../seams.ts";
import { type LinkTo, RESOURCE_LABELS } from "../links.ts";
import type { Paths } from "../paths.ts";
import {
  code,
  html,
  type Markup,
  type Plain,
  type Show,
  type Shown,
  text,
} from "../render.ts";
import { badge } from "./badge.ts";
import { type Column, dataTable, tableRow } from "./table.ts";
import { timeBoth } from "./time.ts";

/** What the rows of the audit depend on. */
export interface AuditRowContext {
  readonly paths: Paths;
  readonly show: Show;
  readonly now: Date;
  readonly linkTo: LinkTo;
}

const COLUMNS: readonly Column[] = [
  { label: text`Event` },
  { label: text`Resource` },
  { label: text`Actor` },
  { label: text`Reason` },
  { label: text`Result` },
  { label: text`Time` },
];

/** Events as a table, newest first. */
export function auditTable(
  events: readonly AuditEvent[],
  context: AuditRowContext,
): Markup {
  return dataTable({
    caption: text`Audit events, newest first`,
    columns: COLUMNS,
    rows: events.map((event) => auditRow(event, context)),
  });
}

function auditRow(event: AuditEvent, context: AuditRowContext): Markup {
  const { paths, show, now } = context;
  const resource = resourceOf(event);
  return tableRow({
    columns: COLUMNS,
    cells: [
      html`
        <a class="event-link"
          href="${paths.auditEvent(event.id)}"><code>${code(
            event.eventType,
          )}</code> <span class="muted">#${event.id}</span></a>
      `,
      resourceCell(resource, context),
      actorOf(event, show),
      show("reason", event.reason, resource),
      resultCell(event, paths),
      timeBoth(event.at, now),
    ],
  });
}

/** What an event is about. */
export function resourceOf(event: AuditEvent): ResourceRef {
  return { type: event.resourceType, id: event.resourceId };
}

/** Who is held to account: the principal, or the actor where there is none. */
export function actorOf(event: AuditEvent, show: Show): Shown {
  const label = event.principalLabel ?? undefined;
  const id = event.principalId ?? event.actorId;
  return show("actor", { id, label }, resourceOf(event));
}

/** A thing by its kind and name, with a link where there is a page to open. */
export function resourceCell(
  resource: ResourceRef,
  { show, linkTo }: Pick<AuditRowContext, "show" | "linkTo">,
): Markup {
  const name = show("name", resource.id, resource);
  const href = linkTo(resource);
  const shown = href === null
    ? html`<span>${name}</span>`
    : html`<a href="${href}">${name}</a>`;
  const kind = RESOURCE_LABELS[resource.type] ?? "Unknown";
  return html`<span class="resource">${shown} <span class="muted">${kind}</span></span>`;
}

/** The first `digits` of a hash in hexadecimal; all of it if left out. */
export function hashText(hash: string, digits = 64): Plain {
  return (/^[0-9a-f]{64}$/.test(hash)
    ? hash.slice(0, digits)
    : "unknown") as Plain;
}

/** Applied, or refused with its code. */
export function resultCell(
  { result, refusal }: {
    readonly result: AuditResult;
    readonly refusal: string | null;
  },
  paths: Paths,
): Markup {
  if (result === "applied") {
    return badge(
      { tone: "good", icon: "check", label: html`applied` },
      paths,
    );
  }
  const why = refusal === null ? null : html`
    <code>${code(refusal)}</code>
  `;
  const chip = badge(
    { tone: "bad", icon: "block", label: html`refused` },
    paths,
  );
  return html`<span class="result">${chip}${why}</span>`;
}
