import { PROVENANCE_LABELS } from "../../domain/evidence.ts";
import { type ChronologyItem, SOURCES } from "../../forensics/chronology.ts";
import type { ResourceRef } from "../../seams.ts";
import { html, type Markup, type Show } from "../render.ts";
import { sentenceMarkup } from "./sentence.ts";
import { timeBoth } from "./time.ts";

/** What happened to a job, the newest first, with where each fact comes from. */
export function jobTimeline(
  items: readonly ChronologyItem[],
  context: {
    readonly show: Show;
    readonly now: Date;
    readonly resource: ResourceRef;
  },
): Markup {
  return html`<ol class="timeline">${
    items.map((item) => timelineItem(item, context))
  }</ol>`;
}

function timelineItem(
  item: ChronologyItem,
  context: Parameters<typeof jobTimeline>[1],
): Markup {
  const notes = item.notes.map((note) =>
    html`<p class="muted">${sentenceMarkup(note, context)}</p>`
  );
  const source = html`${SOURCES[item.source]}, ${
    PROVENANCE_LABELS[item.provenance]
  }`;
  return html`
    <li>
      <div class="timeline-time">${timeBoth(item.at, context.now)}</div>
      <div class="timeline-fact">
        <p>${sentenceMarkup(
          item.label,
          context,
        )} <span class="muted timeline-source">${source}</span></p>
        ${notes}
      </div>
    </li>
  `;
}
