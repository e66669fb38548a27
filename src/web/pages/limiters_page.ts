import type { LimiterStatus } from "../../store/limiter_status.ts";
import {
  type LimiterContext,
  limiterTable,
} from "../components/limiter_rows.ts";
import { emptyState } from "../components/panel.ts";
import { html, type Markup, text } from "../render.ts";

/** All limiters, and what they hold back. */
export function limitersPage(
  limiters: readonly LimiterStatus[],
  context: LimiterContext,
): Markup {
  return html`
    <header class="page-head">
      <div>
        <h1>Limiters</h1>
        <p>
          How many jobs start in a span of time, or run at a time, on all
          executors together. What a limiter holds back waits for its turn.
        </p>
      </div>
    </header>
    ${limitersLive(limiters, context)}
  `;
}

/** The part of the page that refreshes itself. */
export function limitersLive(
  limiters: readonly LimiterStatus[],
  context: LimiterContext,
): Markup {
  const table = limiters.length === 0
    ? emptyState({
      title: text`No limiter is on record`,
      body: text`A host declares limiters with its workers.`,
    })
    : limiterTable(limiters, context);
  return html`
    <div class="stack" id="limiters-live" hx-get="${context.paths
      .limiters()}" hx-trigger="every 5s"
      hx-swap="outerMorph">${table}</div>
  `;
}
