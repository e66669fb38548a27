import type { AuditEvent } from "../../domain/audit.ts";
import { code, html, type Markup, text } from "../render.ts";
import {
  actorOf,
  type AuditRowContext,
  resourceCell,
  resourceOf,
  resultCell,
} from "./audit_rows.ts";
import { panel } from "./panel.ts";
import { timeAgo } from "./time.ts";

/** The newest audit events of something, with the way to all of them. */
export function recentAudit(
  events: readonly AuditEvent[],
  context: AuditRowContext & {
    /** Whether the events are of one thing, which then is not named. */
    readonly ofOne: boolean;
  },
): Markup {
  return panel({
    id: text`recent-audit`,
    title: text`Recent Audit Evidence`,
    body: events.length === 0
      ? html`<p class="muted">No operator has changed anything here so far.</p>`
      : html`<ul class="recent">${
        events.map((event) => recentEvent(event, context))
      }</ul>`,
  });
}

function recentEvent(
  event: AuditEvent,
  context: AuditRowContext & { readonly ofOne: boolean },
): Markup {
  const { paths, show, now, ofOne } = context;
  const resource = resourceOf(event);
  const scoped = paths.audit({
    resource_type: resource.type,
    resource_id: resource.id,
    event_type: event.eventType,
  });
  return html`
    <li>
      <span><code>${code(event.eventType)}</code> ${ofOne
        ? null
        : resourceCell(resource, context)} ${resultCell(event, paths)}</span>
      <span class="muted">${actorOf(event, show)}, ${timeAgo(
        event.at,
        now,
      )}: ${show("reason", event.reason, resource)}</span>
      <a href="${scoped}">Open in Audit</a>
    </li>
  `;
}
