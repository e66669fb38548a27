import {
  JOB_LISTS,
  JOB_ORDERS,
  type JobCursor,
  type JobList,
  parseJobCursor,
} from "../domain/job_cursor.ts";
import {
  JOB_FILTER_FIELDS,
  type JobFilter,
  type JobFilterField,
  type ParsedJobFilter,
  parseJobFilter,
} from "../domain/job_filter.ts";
import { type JobId, parseJobId } from "../domain/job.ts";
import type { Paths, Query } from "./paths.ts";
import type { Href } from "./render.ts";

/** A request to the list of jobs, read as far as it can be. */
export interface JobQuery {
  readonly state: JobList;
  readonly filter: JobFilter;
  readonly problems: ParsedJobFilter["problems"];
  /** What was typed, to be kept in the form; blank ones are left out. */
  readonly typed: Readonly<Partial<Record<JobFilterField, string>>>;
  readonly from: JobCursor | null;
  readonly way: "down" | "up";
  /** What of the address could not be read, and was left out. */
  readonly ignored: readonly ("state" | "cursor" | "id")[];
}

/** Where a list begins that nobody has narrowed. */
const STATE_DEFAULT: JobList = "all";
const TYPED_MAX = 4_200;

/**
 * Reads the query of the list of jobs. Whatever it holds, there is a page: what
 * can not be read is named and left out.
 */
export function parseJobQuery(
  query: Readonly<Record<string, string>>,
): JobQuery {
  const asked = query["state"] ?? STATE_DEFAULT;
  const state = JOB_LISTS.find((known) => known === asked) ?? STATE_DEFAULT;

  const typed: Partial<Record<JobFilterField, string>> = {};
  for (const field of JOB_FILTER_FIELDS) {
    const text = query[field]?.slice(0, TYPED_MAX) ?? "";
    if (text.trim() !== "") typed[field] = text;
  }

  const { before, after } = query;
  const cursor = before ?? after ?? null;
  const from = cursor === null
    ? null
    : parseJobCursor(cursor, JOB_ORDERS[state]);
  const ignored: ("state" | "cursor" | "id")[] = [];
  if (state !== asked) ignored.push("state");
  if (cursor !== null && from === null) ignored.push("cursor");
  if (query["id"]?.trim() && askedJobId(query) === null) ignored.push("id");
  return {
    state,
    ...parseJobFilter(typed),
    typed,
    from,
    way: from !== null && before !== undefined ? "up" : "down",
    ignored,
  };
}

/** The job that somebody wants to go to, by its id; `null` for no id of a job. */
export function askedJobId(
  { id = "" }: Readonly<Record<string, string>>,
): JobId | null {
  return parseJobId(id.trim().replace(/^#/, ""));
}

/** Where a link from a list leads, beside what the list is narrowed by. */
export interface JobQueryPlace {
  readonly state?: JobList;
  /** The cursor of the last job above, or of the first below. */
  readonly after?: string | null;
  readonly before?: string | null;
}

/** The address of a list that is narrowed as this one. */
export function jobQueryOf(
  { state, typed }: JobQuery,
  place: JobQueryPlace = {},
): Query {
  return { state, ...typed, ...place };
}

/** Whether a list leaves jobs out. */
export function isNarrowed({ typed }: JobQuery): boolean {
  return Object.keys(typed).length > 0;
}

/**
 * What a link to a job carries, so that the page can lead back to the list: the
 * query of the list and no address, so it can lead nowhere else.
 */
export function listMark(query: JobQuery, search: string): string | null {
  const isPlain = !isNarrowed(query) && query.from === null &&
    query.state === STATE_DEFAULT;
  return isPlain ? null : search.replace(/^\?/, "");
}

/** The list that {@linkcode listMark} was made for. */
export function listHref(mark: string | undefined, paths: Paths): Href {
  if (mark === undefined || mark.length > 10_000) return paths.jobs();
  const asked = Object.fromEntries(new URLSearchParams(mark));
  const query = parseJobQuery(asked);
  const place = query.from === null
    ? {}
    : query.way === "up"
    ? { before: asked["before"] ?? null }
    : { after: asked["after"] ?? null };
  return paths.jobs(jobQueryOf(query, place));
}
