import { type ChronologyItem, SOURCES } from "../../forensics/chronology.ts";
import type { ResourceRef } from "../../seams.ts";
import { type LinkTo, RESOURCE_LABELS } from "../links.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup, type Show } from "../render.ts";
import { provenanceLabel } from "./evidence.ts";
import { sentenceMarkup } from "./sentence.ts";
import { timeBoth } from "./time.ts";

/** What a timeline depends on. */
export interface TimelineContext {
  readonly paths: Paths;
  readonly show: Show;
  readonly now: Date;
  readonly linkTo: LinkTo;
  /** What the timeline is about. */
  readonly resource: ResourceRef;
  /** Whether the actor may open the audit. */
  readonly audit: boolean;
}

/** Items that are open at once; the older ones are behind a word. */
const OPEN_ITEMS = 40;

/** What happened, newest first. */
export function timeline(
  items: readonly ChronologyItem[],
  context: TimelineContext,
): Markup {
  const rows = items.map((item) => timelineItem(item, context));
  const older = rows.slice(OPEN_ITEMS);
  return html`
    <ol class="timeline">${rows.slice(0, OPEN_ITEMS)}</ol>
    ${older.length === 0 ? null : html`
      <details class="timeline-older">
        <summary>${older.length} older</summary>
        <ol class="timeline">${older}</ol>
      </details>
    `}
  `;
}

function timelineItem(item: ChronologyItem, context: TimelineContext): Markup {
  const notes = item.notes.map((note) =>
    html`<li>${sentenceMarkup(note, context)}</li>`
  );
  return html`
    <li class="event" data-provenance="${item.provenance}">
      <div class="event-when">${timeBoth(item.at, context.now)}</div>
      <div class="event-what">
        <p class="event-label">${sentenceMarkup(item.label, context)}</p>
        ${notes.length === 0
          ? null
          : html`<ul class="event-notes">${notes}</ul>`}
        <p class="event-meta"><span>${SOURCES[
          item.source
        ]}</span> ${provenanceLabel(item.provenance)} ${links(
          item,
          context,
        )}</p>
      </div>
    </li>
  `;
}

function links(item: ChronologyItem, context: TimelineContext): Markup {
  const { paths, linkTo, show, resource } = context;
  const href = item.resource === null ? null : linkTo(item.resource);
  const thing = item.resource === null || href === null
    ? null
    : html`<a href="${href}">${RESOURCE_LABELS[item.resource.type]} ${
      show("name", item.resource.id, item.resource)
    }</a>`;
  const audit = item.audit === null || !context.audit
    ? null
    : html`<a href="${
      paths.audit({
        resource_type: resource.type,
        resource_id: resource.id,
        event_type: item.audit.eventType,
      })
    }">Audit follow-up</a>`;
  return html`${thing} ${audit}`;
}
