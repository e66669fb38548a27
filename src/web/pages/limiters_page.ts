import type { LimiterStatus } from "../../store/limiter_status.ts";
import {
  type LimiterContext,
  limiterTable,
} from "../components/limiter_rows.ts";
import { countOf, numberText } from "../components/count.ts";
import { emptyState, pager } from "../components/panel.ts";
import { type Href, html, type Markup, text } from "../render.ts";

/** One page of the limiters, the most pressed first. */
export interface LimitersView {
  readonly limiters: readonly LimiterStatus[];
  /** On all pages. */
  readonly count: number;
  /** Of these, those that hold jobs back, and those that cool down. */
  readonly holding: number;
  readonly cooling: number;
  /** How many come before this page. */
  readonly before: number;
  readonly more: Href | null;
  readonly less: Href | null;
  readonly here: Href;
}

/** All limiters, and what they hold back. */
export function limitersPage(
  view: LimitersView,
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
    ${limitersLive(view, context)}
  `;
}

/** The part of the page that refreshes itself. */
export function limitersLive(
  view: LimitersView,
  context: LimiterContext,
): Markup {
  const { limiters, more, less, here } = view;
  const table = view.count === 0
    ? emptyState({
      title: text`No limiter is on record`,
      body: text`A host declares limiters with its workers.`,
    })
    : html`${summary(view)} ${limiterTable(limiters, context)}`;
  const pages = more === null && less === null ? null : pager({
    newer: less,
    older: more,
    first: less === null ? null : context.paths.limiters(),
    labels: [text`More pressed`, text`Less pressed`],
  });
  return html`
    <div class="stack" id="limiters-live" hx-get="${here}" hx-trigger="every 5s"
      hx-swap="outerMorph">${table}${pages}</div>
  `;
}

/** What is wrong first, then which of them these are. */
function summary(
  { limiters, count, holding, cooling, before }: LimitersView,
): Markup {
  const words = [text`limiter`, text`limiters`] as const;
  const of = (number: number) =>
    countOf({ count: number, capped: false }, words);
  const verb = holding === 1 ? text`holds` : text`hold`;
  const held = holding === 0
    ? text`No limiter holds jobs back`
    : text`${of(holding)} ${verb} jobs back`;
  const cool = cooling === 0
    ? text`none cools down`
    : text`${numberText(cooling)} ${
      cooling === 1 ? text`cools` : text`cool`
    } down`;
  const which = limiters.length === count
    ? text`of ${of(count)}`
    : text`of ${of(count)}; here ${numberText(before + 1)} to ${
      numberText(before + limiters.length)
    }`;
  return html`
    <p
      class="muted">${held}, ${cool}, ${which}. The most pressed are first.</p>
  `;
}
