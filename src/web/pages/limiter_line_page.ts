import type { LimiterBlocker } from "../../domain/limiter.ts";
import type { LimiterLine } from "../../store/limiter_lines.ts";
import type { LimiterRow } from "../../store/limiters.ts";
import {
  type LimiterPageContext,
  limiterResource,
  shownKey,
  useBar,
} from "../components/limiter_rows.ts";
import {
  type LineJobRow,
  lineJobs,
  queueLink,
} from "../components/limiter_waiting.ts";
import { panel } from "../components/panel.ts";
import {
  type Column,
  dataTable,
  definitions,
  tableRow,
} from "../components/table.ts";
import { timeAgo, timeBoth } from "../components/time.ts";
import { type Href, html, type Markup, text } from "../render.ts";

/** One limiter of a line, as it stands for the first job of it. */
export interface LinePart {
  readonly limiter: LimiterRow;
  readonly key: string;
  readonly used: number;
  readonly capacity: number;
  readonly blocker: LimiterBlocker | null;
  readonly href: Href;
}

/** What the page of one line of jobs shows. */
export interface LimiterLinePage {
  readonly limiter: LimiterRow;
  readonly line: LimiterLine;
  readonly parts: readonly LinePart[];
  readonly jobs: readonly LineJobRow[];
  readonly more: Href | null;
  readonly less: Href | null;
  readonly here: Href;
}

/** Jobs that wait for the same partitions, in the order in which they start. */
export function limiterLinePage(
  page: LimiterLinePage,
  context: LimiterPageContext,
): Markup {
  const { limiter } = page;
  const { show, paths } = context;
  const name = show("name", limiter.name, limiterResource(limiter.name));
  return html`
    <header class="page-head">
      <div>
        <p
          class="crumbs"><a href="${paths
            .limiters()}">Limiters</a> · <a href="${paths
            .limiter(limiter.name)}">${name}</a></p>
        <h1>A line of jobs</h1>
        <p>
          They wait for the same limits, and start one after the other. The first
          one holds up the rest, so that a heavy job is not overtaken for ever.
        </p>
      </div>
    </header>
    ${limiterLineLive(page, context)}
  `;
}

/** The part of the page that refreshes itself. */
export function limiterLineLive(
  page: LimiterLinePage,
  context: LimiterPageContext,
): Markup {
  const { line, jobs, more, less, here } = page;
  const { show, now } = context;
  return html`
    <div class="stack" id="limiter-line-live" hx-get="${here}"
      hx-trigger="every 5s" hx-swap="outerMorph">
      ${panel({
        id: text`state`,
        title: text`How it stands`,
        body: definitions([
          [text`Queue`, queueLink(line.queue, context)],
          [
            text`Worker`,
            show("name", line.worker, { type: "queue", id: line.queue }),
          ],
          [
            text`Looked at next`,
            line.lookAt <= now
              ? text`At the next claim`
              : timeBoth(line.lookAt, now),
          ],
        ]),
      })}
      ${parts(page, context)} ${lineJobs({ rows: jobs, more, less }, context)}
    </div>
  `;
}

const COLUMNS: readonly Column[] = [
  { label: text`Limiter` },
  { label: text`Key` },
  { label: text`Use` },
  { label: text`Its next job` },
];

function parts(page: LimiterLinePage, context: LimiterPageContext): Markup {
  const { show, now } = context;
  return panel({
    id: text`limits`,
    title: text`What it waits for`,
    body: dataTable({
      caption: text`The limiters of this line`,
      columns: COLUMNS,
      rows: page.parts.map((part) => {
        const { limiter, key, used, capacity, blocker, href } = part;
        const resource = limiterResource(limiter.name);
        return tableRow({
          columns: COLUMNS,
          cells: [
            html`<a href="${href}">${show("name", limiter.name, resource)}</a>`,
            shownKey(limiter, { key, show }),
            useBar(used, capacity),
            answer(blocker, now),
          ],
        });
      }),
    }),
  });
}

function answer(blocker: LimiterBlocker | null, now: Date): Markup {
  if (blocker === null) return html`<span>May pass</span>`;
  const why = blocker.code === "cooldown"
    ? text`Cools down`
    : text`The limit is reached`;
  return blocker.eligibleAt === null
    ? html`<span>${why}, until one that runs has ended</span>`
    : html`<span>${why}; eligible ${timeAgo(blocker.eligibleAt, now)}</span>`;
}
