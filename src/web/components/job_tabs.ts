import type { JobList } from "../../domain/job_cursor.ts";
import {
  COUNTED_STATES,
  type CountedState,
  type JobCount,
} from "../../store/job_counts.ts";
import { type JobQuery, jobQueryOf } from "../job_query.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import { countText } from "./count.ts";

/** The number of jobs of each state but suspended: those stand in no table. */
export type JobCounts = Readonly<Record<CountedState, JobCount>>;

const TABS = [
  "all",
  ...COUNTED_STATES,
  "suspended",
] as const satisfies JobList[];

/** Numbers above this are not worth counting. */
const SHOWN_MAX = 10_000;

/** One tab for each list, with how many jobs the filters leave in it. */
export function jobTabs(
  { query, counts }: { readonly query: JobQuery; readonly counts: JobCounts },
  paths: Paths,
): Markup {
  const tabs = TABS.map((state) => {
    const href = paths.jobs(jobQueryOf(query, { state }));
    const current = state === query.state
      ? html`
        aria-current="page"
      `
      : null;
    const count = state === "all" || state === "suspended"
      ? null
      : counts[state];
    return html`
      <a href="${href}" ${current}>${STATE_WORDS[state]}${count &&
        countMark(count)}</a>
    `;
  });
  return html`<nav class="tabs" aria-label="State">${tabs}</nav>`;
}

/** The names of the lists, as a heading has them. */
export const STATE_WORDS = {
  all: text`All`,
  available: text`Available`,
  scheduled: text`Scheduled`,
  executing: text`Executing`,
  retryable: text`Retryable`,
  cancelled: text`Cancelled`,
  discarded: text`Discarded`,
  completed: text`Completed`,
  suspended: text`Suspended`,
} as const satisfies Record<JobList, Plain>;

function countMark({ count, isExact }: JobCount): Markup {
  if (count === 0 && !isExact) {
    return html`<span class="count" title="None among those that were looked at">?</span>`;
  }
  const capped = !isExact || count > SHOWN_MAX;
  const shown = countText({ count: Math.min(count, SHOWN_MAX), capped });
  return capped
    ? html`
      <span class="count"
        title="At least so many: not all were looked at">${shown}</span>
    `
    : html`<span class="count">${shown}</span>`;
}
