/** Who waits for a limiter, and who holds it. */
import type { NotBefore } from "../../domain/limiter_line.ts";
import type { LimiterHolder } from "../../store/limiter_holders.ts";
import {
  type LimiterLine,
  LINE_JOBS_MAX,
  type LineJob,
} from "../../store/limiter_lines.ts";
import type { LimiterRow } from "../../store/limiters.ts";
import { type Href, html, type Markup, text } from "../render.ts";
import { countOf, numberText } from "./count.ts";
import { type LimiterPageContext, shownKey } from "./limiter_rows.ts";
import { emptyState, pager, panel } from "./panel.ts";
import { type Column, type Content, dataTable, tableRow } from "./table.ts";
import { timeAgo, timeBoth } from "./time.ts";

type Placed = LimiterPageContext & { readonly limiter: LimiterRow };

/** A line with its page. */
export interface LineRow {
  readonly line: LimiterLine;
  readonly href: Href;
}

/** One page of the lines that a limiter holds back. */
export interface LinesView {
  /** This page, as it refreshes itself. */
  readonly here: Href;
  readonly rows: readonly LineRow[];
  /** Of all pages, as far as they were counted. */
  readonly count: number;
  readonly capped: boolean;
  readonly more: Href | null;
  /** The first page, where this is not it. */
  readonly first: Href | null;
}

const LINE_COLUMNS: readonly Column[] = [
  { label: text`Line` },
  { label: text`Jobs`, align: "end" },
  { label: text`Next job` },
  { label: text`Queue` },
  { label: text`Looked at next` },
];

/** The lines of jobs that wait, in the order in which it is their turn. */
export function limiterLines(view: LinesView, context: Placed): Markup {
  const { rows, count, capped, more, first } = view;
  const isCut = capped && context.limiter.partitionBy !== null;
  const pages = more === null && first === null ? null : pager({
    newer: first,
    older: more,
    labels: [text`First lines`, text`Next lines`],
    note: isCut
      ? text`More than ${
        numberText(count)
      } lines wait. In this order are those of the first keys by name; the page of a key has all of its own.`
      : null,
  });
  const words = [text`line`, text`lines`] as const;
  return panel({
    id: text`waiting`,
    title: text`Who waits`,
    aside: rows.length === 0
      ? null
      : html`<span class="muted">${
        countOf({ count, capped }, words)
      }, in the order of their turns</span>`,
    body: rows.length === 0
      ? emptyState({
        title: text`Nobody waits for it`,
        body:
          text`Jobs that have just come are counted once an executor has looked at them.`,
      })
      : html`${
        dataTable({
          caption: text`Lines of jobs that wait, in turn`,
          columns: LINE_COLUMNS,
          rows: rows.map((row) => lineRow(row, context)),
        })
      }${pages}`,
  });
}

function lineRow({ line, href }: LineRow, context: Placed): Markup {
  const { show, now, limiter } = context;
  const { queue, worker, jobs, firstJobId, lookAt, key } = line;
  const name = limiter.partitionBy === null
    ? show("name", worker, { type: "queue", id: queue })
    : shownKey(limiter, { key, show });
  const counted = countOf({ count: jobs, capped: jobs === LINE_JOBS_MAX }, [
    text`job`,
    text`jobs`,
  ]);
  return tableRow({
    columns: LINE_COLUMNS,
    cells: [
      html`<a href="${href}">${name}</a>`,
      counted,
      firstJobId === null ? null : jobLink(firstJobId, context),
      queueLink(queue, context),
      lookAt <= now ? text`At the next claim` : timeAgo(lookAt, now),
    ],
  });
}

function jobLink(id: `${bigint}`, { linkTo }: LimiterPageContext): Markup {
  const href = linkTo({ type: "job", id });
  return href === null
    ? html`<span class="mono">${id}</span>`
    : html`<a class="mono" href="${href}">${id}</a>`;
}

/** A queue by its name, as a link where it may be opened. */
export function queueLink(
  queue: string,
  { linkTo, show }: LimiterPageContext,
): Markup {
  const href = linkTo({ type: "queue", id: queue });
  const name = show("name", queue, { type: "queue", id: queue });
  return href === null ? html`${name}` : html`<a href="${href}">${name}</a>`;
}

/** A job of a line, and before when it can not start. */
export interface LineJobRow {
  readonly job: LineJob;
  /** What it takes of this limiter. */
  readonly weight: number;
  /** Null: too many stand before it to be added up. */
  readonly notBefore: NotBefore | null;
}

const JOB_COLUMNS: readonly Column[] = [
  { label: text`Job` },
  { label: text`Not before` },
  { label: text`Inserted` },
  { label: text`Priority`, align: "end" },
  { label: text`Attempts`, align: "end" },
  { label: text`Takes`, align: "end" },
];

/** The jobs of a line, in the order in which they start. */
export function lineJobs(
  { rows, more, less }: {
    readonly rows: readonly LineJobRow[];
    readonly more: Href | null;
    readonly less: Href | null;
  },
  context: LimiterPageContext,
): Markup {
  const pages = more === null && less === null ? null : pager({
    newer: less,
    older: more,
    labels: [text`Sooner`, text`Later`],
  });
  return panel({
    id: text`jobs`,
    title: text`Jobs of this line`,
    aside: html`<span class="muted">the next to start first</span>`,
    body: html`${
      dataTable({
        caption: text`Jobs of this line, in the order in which they start`,
        columns: JOB_COLUMNS,
        rows: rows.map(({ job, notBefore, weight }) =>
          tableRow({
            columns: JOB_COLUMNS,
            cells: [
              jobLink(job.jobId, context),
              notBeforeCell(notBefore, context),
              timeAgo(job.insertedAt, context.now),
              job.priority,
              job.attempt,
              weight,
            ],
          })
        ),
      })
    }${pages}`,
  });
}

function notBeforeCell(
  when: NotBefore | null,
  { now }: LimiterPageContext,
): Content {
  if (when === null) return html`<span class="muted">Not reckoned</span>`;
  const at = new Date(when.atMs);
  const isLater = when.atMs > now.getTime() + 999;
  if (when.untilOneEnds) {
    return isLater
      ? html`<span>${timeBoth(at, now)} and when one that runs has ended</span>`
      : text`When one that runs has ended`;
  }
  return isLater ? timeBoth(at, now) : text`At its next turn`;
}

const HOLDER_COLUMNS: readonly Column[] = [
  { label: text`Job` },
  { label: text`Key` },
  { label: text`Worker` },
  { label: text`Executor` },
  { label: text`Holds`, align: "end" },
  { label: text`Claimed` },
];

/** The jobs that run and hold it now; nothing of a rate is held. */
export function limiterHolders(
  holders: readonly LimiterHolder[],
  context: Placed,
): Markup | null {
  const { limiter, show, now } = context;
  if (limiter.kind !== "concurrency") return null;
  const [first] = holders;
  const all = first?.all ?? 0;
  return panel({
    id: text`holders`,
    title: text`Who holds it`,
    aside: all > holders.length
      ? text`${holders.length} of ${all}, the longest first`
      : null,
    body: first === undefined
      ? html`<p class="muted">No job that it limits runs now.</p>`
      : dataTable({
        caption: text`Jobs that run and hold it`,
        columns: HOLDER_COLUMNS,
        rows: holders.map((holder) =>
          tableRow({
            columns: HOLDER_COLUMNS,
            cells: [
              jobLink(holder.jobId, context),
              html`<span class="long">${
                shownKey(limiter, { key: holder.key, show })
              }</span>`,
              show("name", holder.worker, { type: "job", id: holder.jobId }),
              holder.executor === null
                ? html`<span class="muted">Gone</span>`
                : show("name", holder.executor, {
                  type: "queue",
                  id: holder.queue,
                }),
              holder.weight,
              timeBoth(holder.claimedAt, now),
            ],
          })
        ),
      }),
  });
}
