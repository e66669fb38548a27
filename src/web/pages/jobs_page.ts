import {
  JOB_ORDERS,
  jobCursorText,
  type JobList,
} from "../../domain/job_cursor.ts";
import { jobInsertedAt } from "../../domain/job.ts";
import type { KnownNames } from "../../store/queue_status.ts";
import {
  type JobPage,
  SEARCH_WINDOW,
  SUSPENDED_WINDOW,
} from "../../store/search.ts";
import { numberText } from "../components/count.ts";
import { jobFilterForm } from "../components/job_filter_form.ts";
import { type JobRowContext, jobTable } from "../components/job_rows.ts";
import {
  type JobCounts,
  jobTabs,
  STATE_WORDS,
} from "../components/job_tabs.ts";
import {
  banner,
  emptyState,
  pager,
  readOnlyBanner,
} from "../components/panel.ts";
import { timeAgo } from "../components/time.ts";
import { isNarrowed, type JobQuery, jobQueryOf } from "../job_query.ts";
import { type Href, html, type Markup, type Plain, text } from "../render.ts";

/** What the list of jobs shows. */
export interface JobsPage {
  readonly query: JobQuery;
  readonly found: JobPage;
  readonly counts: JobCounts;
  readonly known: KnownNames;
  readonly readOnly: boolean;
}

/** The jobs of one list, narrowed by what stands in the address. */
export function jobsPage(page: JobsPage, context: JobRowContext): Markup {
  return html`
    <header class="page-head">
      <div>
        <h1>Jobs</h1>
        <p>
          Every job on record, by where it stands now. ${ORDERS[
            JOB_ORDERS[page.query.state]
          ]}
        </p>
      </div>
      <form class="row" method="get" action="${context.paths
        .jobs()}" aria-label="Go to a job">
        <input class="mono" type="text" name="id" aria-label="Job id"
          placeholder="Job id" inputmode="numeric" autocomplete="off">
        <button class="button" type="submit">Go</button>
      </form>
    </header>
    ${page.readOnly
      ? readOnlyBanner(text`You may look at jobs, and not change them.`)
      : null}
    ${page.query.ignored.map(ignoredBanner)}
    ${jobFilterForm(page, context)} ${jobsLive(page, context)}
  `;
}

/** The part of the page that refreshes itself. */
export function jobsLive(page: JobsPage, context: JobRowContext): Markup {
  const { query, found } = page;
  const here = paged(query, context).here;
  return html`
    <div class="stack" id="jobs-live" hx-get="${here}" hx-trigger="every 5s"
      hx-swap="outerMorph">
      ${jobTabs(page, context.paths)}
      ${found.jobs.length === 0 ? nothing(page, context) : jobTable({
        state: query.state,
        jobs: found.jobs,
        caption: text`${STATE_WORDS[query.state]} jobs`,
      }, context)} ${searched(page, context)} ${pages(page, context)}
    </div>
  `;
}

const ORDERS = {
  inserted: text`The newest comes first.`,
  due: text`The next to run comes first.`,
  claimed: text`The last to start comes first.`,
} as const satisfies Record<typeof JOB_ORDERS[JobList], Plain>;

const IGNORED = {
  id: text`No job has such an id: it is a number, such as 912064303127855255.`,
  state:
    text`The address asks for a state that there is not. These are jobs in any state.`,
  cursor:
    text`The address asks for a page that this list never had. This is the first one.`,
} as const;

function ignoredBanner(what: keyof typeof IGNORED): Markup {
  return banner({ tone: "quiet", body: html`<p>${IGNORED[what]}</p>` });
}

interface Pages {
  readonly here: Href;
  readonly first: Href;
  readonly newer: Href | null;
  readonly older: Href | null;
  /** Where a search goes on that stopped before the page was full. */
  readonly onwards: Href | null;
}

/** The links of a page. Going up, what is left over lies above. */
function paged(
  query: JobQuery,
  { paths, found = null }: {
    readonly paths: JobRowContext["paths"];
    readonly found?: JobPage | null;
  },
): Pages {
  const { from, way } = query;
  const up = way === "up";
  const to = (place: Parameters<typeof jobQueryOf>[1]) =>
    paths.jobs(jobQueryOf(query, place));
  const cursor = from === null ? null : jobCursorText(from);
  const top = found?.jobs.at(0)?.cursor ?? null;
  const bottom = found?.jobs.at(-1)?.cursor ?? null;
  const stop = found?.stoppedAt ?? null;
  return {
    here: cursor === null
      ? to({})
      : to(up ? { before: cursor } : { after: cursor }),
    first: to({}),
    newer: top === null || from === null || (up && !found?.hasMore)
      ? null
      : to({ before: top }),
    older: bottom === null || (!up && !found?.hasMore)
      ? null
      : to({ after: bottom }),
    onwards: stop === null ? null : to(up ? { before: stop } : { after: stop }),
  };
}

function pages(
  { query, found }: JobsPage,
  { paths }: JobRowContext,
): Markup | null {
  const { first, newer, older } = paged(query, { paths, found });
  if (newer === null && older === null && query.from === null) return null;
  const labels = JOB_ORDERS[query.state] === "due"
    ? [text`Sooner`, text`Later`] as const
    : [text`Newer`, text`Older`] as const;
  return pager({
    newer,
    older,
    labels,
    first: query.from === null ? null : first,
  });
}

/** Says how far a search looked, when it stopped before the end. */
function searched(
  { query, found }: JobsPage,
  { paths, now }: JobRowContext,
): Markup | null {
  const { onwards } = paged(query, { paths, found });
  if (onwards === null || found.stoppedAt === null) return null;
  const window = query.state === "suspended" ? SUSPENDED_WINDOW : SEARCH_WINDOW;
  const order = JOB_ORDERS[query.state];
  const [key = ""] = found.stoppedAt.split("_");
  const until = order === "inserted"
    ? html`, back to those inserted ${
      timeAgo(jobInsertedAt(key as `${bigint}`), now)
    }`
    : order === "due"
    ? html`, up to those due ${timeAgo(new Date(Number(key) / 1_000), now)}`
    : null;
  return banner({
    tone: "quiet",
    body: html`
      <p>
        Searched ${numberText(window)} jobs${until}. The others were
        <strong>not searched</strong>.
        <a href="${onwards}">Search the next ${numberText(window)}</a>
      </p>
    `,
  });
}

function nothing(page: JobsPage, { paths }: JobRowContext): Markup {
  const { query, counts, found } = page;
  const { state } = query;
  if (isNarrowed(query)) {
    const job = state === "all" ? text`job` : text`${state} job`;
    const title = found.stoppedAt === null
      ? text`No ${job} matches`
      : text`No ${job} matches so far`;
    return emptyState({
      title,
      body: state === "all"
        ? text`Ask for less.`
        : text`Look at another state, or ask for less.`,
      action: { label: text`Clear filters`, href: paths.jobs({ state }) },
    });
  }
  if (query.from !== null) {
    return emptyState({
      title: text`Nothing is beyond this page any more`,
      body: text`Jobs have moved on since the link was made.`,
      action: {
        label: text`Go to the first page`,
        href: paths.jobs({ state }),
      },
    });
  }
  const isNew = Object.values(counts).every(({ count, isExact }) =>
    count === 0 && isExact
  );
  if (isNew) {
    return emptyState({
      title: text`No job is on record`,
      body:
        html`A host inserts one with <code>yard.enqueue(worker, args)</code>.`,
    });
  }
  return emptyState({ title: EMPTY[state][0], body: EMPTY[state][1] });
}

const KEPT =
  text`Jobs that ended leave these pages when their retention window is over.`;

/** What it means that no job stands in a state. */
const EMPTY = {
  all: [text`No job is on record`, KEPT],
  available: [text`No job is available`, text`Nothing waits to be claimed.`],
  scheduled: [text`No job is scheduled`, text`Nothing is planned for later.`],
  executing: [text`No job is executing`, text`No executor holds one now.`],
  retryable: [
    text`No job is retryable`,
    text`No job waits for another attempt after a failure.`,
  ],
  completed: [text`No completed job is kept`, KEPT],
  cancelled: [text`No cancelled job is kept`, KEPT],
  discarded: [text`No discarded job is kept`, KEPT],
  suspended: [
    text`No job is suspended`,
    text`No job waits for something else to release it.`,
  ],
} as const satisfies Record<JobList, readonly [Plain, Plain]>;
