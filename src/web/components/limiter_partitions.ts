/** The keys of a limiter that are in use, the most pressed first. */
import type { ActivePartition } from "../../store/limiter_pressure.ts";
import type { LimiterStatus } from "../../store/limiter_status.ts";
import {
  echo,
  type Href,
  html,
  type Markup,
  type Plain,
  text,
} from "../render.ts";
import { countOf } from "./count.ts";
import { formTokenField } from "./form.ts";
import { type LimiterContext, shownKey, useBar } from "./limiter_rows.ts";
import { emptyState, pager, panel } from "./panel.ts";
import { type Column, dataTable, tableRow } from "./table.ts";
import { timeBoth, timeExact } from "./time.ts";

/** A key with its page. */
export interface PartitionRow {
  readonly partition: ActivePartition;
  readonly href: Href;
}

/** One page of the keys in use. */
export interface PartitionsView {
  readonly rows: readonly PartitionRow[];
  /** There may be more keys in use than were looked at. */
  readonly capped: boolean;
  /** The instant of whose order this page is; null: now. */
  readonly at: Date | null;
  /** What was searched for. */
  readonly found: string | null;
  readonly more: Href | null;
  readonly less: Href | null;
  readonly first: Href | null;
}

const COLUMNS: readonly Column[] = [
  { label: text`Key` },
  { label: text`Use` },
  { label: text`Holds back` },
  { label: text`Cooldown` },
];

/** The table of them, with its pages. */
export function limiterPartitions(
  view: PartitionsView,
  { status, context }: {
    readonly status: LimiterStatus;
    readonly context: LimiterContext;
  },
): Markup {
  const { rows, more, less, first, at, capped } = view;
  const note = capped
    ? text`Of the keys that were looked at: more are in use.`
    : null;
  const table = rows.length === 0 ? nothing(view) : dataTable({
    caption: text`Keys in use`,
    columns: COLUMNS,
    rows: rows.map((row) => partitionRow(row, { status, context })),
  });
  const pages = more === null && less === null && note === null ? null : pager({
    newer: less,
    older: more,
    first: less === null ? null : first,
    labels: [text`More pressed`, text`Less pressed`],
    note,
  });
  return panel({
    id: text`keys`,
    title: text`Keys in use`,
    aside: at === null
      ? html`<span class="muted">the most pressed first</span>`
      : html`<span class="muted">in the order of ${timeExact(at)}</span>`,
    body: html`${table}${pages}`,
  });
}

function nothing({ found }: PartitionsView): Markup {
  return found === null
    ? emptyState({
      title: text`No key is in use`,
      body: text`What was used has come back, and no job waits.`,
    })
    : emptyState({
      title: text`No key in use begins with that`,
      body:
        text`Keys are found that are in use, or by the whole key; and only those that you may see.`,
    });
}

function partitionRow(
  { partition, href }: PartitionRow,
  { status: { limiter, capacity }, context: { show, now } }: {
    readonly status: LimiterStatus;
    readonly context: LimiterContext;
  },
): Markup {
  const { key, used, lines, cooldownUntil } = partition;
  const counted = countOf({ count: lines, capped: false }, [
    text`line of jobs`,
    text`lines of jobs`,
  ]);
  return tableRow({
    columns: COLUMNS,
    cells: [
      html`<a href="${href}">${shownKey(limiter, { key, show })}</a>`,
      useBar(used, capacity),
      lines === 0 ? html`<span class="muted">Nothing</span>` : counted,
      cooldownUntil === null
        ? html`<span class="muted">None</span>`
        : html`<span>Until ${timeBoth(cooldownUntil, now)}</span>`,
    ],
  });
}

/**
 * Finds a key. It is sent and not put into the address: keys are values of args,
 * and the page that answers has it sealed.
 */
export function partitionSearch(
  { action, found, clear }: {
    readonly action: Href;
    readonly found: string | null;
    readonly clear: Href;
  },
  { formToken }: { readonly formToken: Plain },
): Markup {
  return html`
    <form class="filter" method="post" action="${action}" role="search">
      ${formTokenField(formToken)}
      <div
        class="field"><label for="find-key">Key, or how it begins</label><input id="find-key" name="key" type="text" maxlength="200" value="${echo(
          found ?? "",
        )}" autocomplete="off" spellcheck="false"></div>
      <div class="filter-buttons">
        <button class="button" type="submit">Find</button>
        ${found === null
          ? null
          : html`<a class="button" data-variant="quiet" href="${clear}">Clear</a>`}
      </div>
    </form>
  `;
}
