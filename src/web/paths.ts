/** Every link of our pages. No other file puts a path together. */
import { checkedHref, type Href } from "./render.ts";

/** Values of a query. Blank ones are dropped; the order of the keys is kept. */
export type Query = Readonly<
  Record<string, string | number | null | undefined>
>;

/** The selectors that a link into forensics may carry, and no others. */
export interface ForensicsSelectors {
  readonly resource_type?: string | undefined;
  readonly resource_id?: string | undefined;
  readonly incident_fingerprint?: string | undefined;
  readonly workflow_id?: string | undefined;
  readonly step?: string | undefined;
  readonly view?: string | undefined;
}

/** The builder that {@linkcode createPaths} returns. */
export type Paths = ReturnType<typeof createPaths>;

/**
 * The links of pages that are mounted under `basePath`.
 *
 * @param basePath As {@linkcode parseBasePath} returns it.
 */
export function createPaths(basePath: string) {
  const root = basePath === "/" ? "" : basePath;

  function to(...segments: readonly string[]): Href {
    const path = segments.map((segment) => `/${segmentOf(segment)}`).join("");
    return checkedHref(root + path || "/");
  }

  return {
    basePath,
    overview: (query?: Query) => withQuery(to(), query),
    jobs: (query?: Query) => withQuery(to("jobs"), query),
    job: (id: string, query?: Query) => withQuery(to("jobs", id), query),
    queues: (query?: Query) => withQuery(to("queues"), query),
    queue: (name: string, query?: Query) =>
      withQuery(to("queues", name), query),
    limiters: (query?: Query) => withQuery(to("limiters"), query),
    limiter: (name: string, query?: Query) =>
      withQuery(to("limiters", name), query),
    limiterKey: (name: string, sealed: string) =>
      to("limiters", name, "keys", sealed),
    limiterLine: (name: string, sealed: string, query?: Query) =>
      withQuery(to("limiters", name, "lines", sealed), query),
    limiterSearches: (name: string) => to("limiters", name, "searches"),
    executors: () => to("executors"),
    cron: (query?: Query) => withQuery(to("cron"), query),
    cronEntry: (name: string, query?: Query) =>
      withQuery(to("cron", name), query),
    forensics: (selectors?: ForensicsSelectors) =>
      withQuery(to("forensics"), { ...selectors }),
    forensicsExport: (selectors: ForensicsSelectors) =>
      withQuery(to("forensics.json"), { ...selectors }),
    audit: (query?: Query) => withQuery(to("audit"), query),
    auditEvent: (id: string) => to("audit", id),
    auditExport: (format: "csv" | "ndjson", query?: Query) =>
      withQuery(to(`audit.${format}`), query),
    previews: () => to("previews"),
    preview: (token: string) => to("previews", token),
    previewExecutions: (token: string) => to("previews", token, "executions"),
    previewWithdrawals: (token: string) => to("previews", token, "withdrawals"),
    theme: () => to("theme"),
    asset: (file: string) => to("_a", file),
    /** `candidate` if it is a path of ours, or else the overview. */
    back: (candidate: string | null | undefined): Href =>
      isInside(candidate, root) ? checkedHref(candidate) : to(),
  } as const;
}

/**
 * Appends a query to a link of ours.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { createPaths } from "./paths.ts";
 *
 * const paths = createPaths("/ops/jobs");
 * assert.equal(
 *   paths.jobs({ queue: "a&b", worker: "", state: "retryable" }),
 *   "/ops/jobs/jobs?queue=a%26b&state=retryable",
 * );
 * ```
 */
export function withQuery(link: Href, query: Query = {}): Href {
  const pairs = Object.entries(query)
    .filter(([, value]) =>
      value !== null && value !== undefined && String(value).trim() !== ""
    )
    .map(([key, value]) => `${encode(key)}=${encode(String(value))}`);
  if (pairs.length === 0) return link;
  const mark = link.includes("?") ? "&" : "?";
  return checkedHref(`${link}${mark}${pairs.join("&")}`);
}

/**
 * Checks the path under which a host mounts us.
 *
 * @returns The path without a slash at its end; `/` stays.
 * @throws {TypeError} If a browser would read it as anything but a plain path.
 */
export function parseBasePath(basePath: string): string {
  const trimmed = basePath === "/" ? "/" : basePath.replace(/\/$/, "");
  if (trimmed === "/" || /^(\/[A-Za-z0-9._~-]+)+$/.test(trimmed)) {
    const dots = trimmed.split("/").some((part) => /^\.+$/.test(part));
    if (!dots && trimmed.length <= 200) return trimmed;
  }
  throw new TypeError(
    `Cannot use basePath ${JSON.stringify(basePath)}: it must be a path such ` +
      `as "/ops/jobs", of letters, digits, ".", "_", "~" and "-", at most 200`,
  );
}

/**
 * A link of the host, such as its home page.
 *
 * @returns `null` if a browser would leave this origin, or run it.
 */
export function hostHref(value: string | undefined): Href | null {
  return value !== undefined && isLocalPath(value) ? checkedHref(value) : null;
}

/**
 * A link to a runbook, which may be on another origin.
 *
 * @returns `null` unless it is a local path or an `https:` or `http:` address.
 */
export function outsideHref(value: string): Href | null {
  if (isLocalPath(value)) return checkedHref(value);
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value)) return null;
  return checkedHref(new URL(value).href);
}

/** The name that a segment of a path stands for, once Hono has decoded it. */
export function nameOf(segment: string): string {
  return segment.startsWith("~") ? segment.slice(1) : segment;
}

/**
 * A browser reads `.` and `..` as directions, also when they are escaped, so
 * those names (and the ones that look like our mark) get a mark in front.
 */
function segmentOf(name: string): string {
  return encode(/^(\.{1,2}$|~)/.test(name) ? `~${name}` : name);
}

function encode(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}

function isInside(
  candidate: string | null | undefined,
  root: string,
): candidate is string {
  if (!candidate || !isLocalPath(candidate)) return false;
  if (root === "") return true;
  return candidate === root || candidate.startsWith(`${root}/`) ||
    candidate.startsWith(`${root}?`);
}

/** One slash, then no second one and nothing that a browser would turn into it. */
function isLocalPath(value: string): boolean {
  if (!/^\/(?![/\\])[^\s\\]*$/.test(value)) return false;
  const base = "https://origin.invalid";
  return URL.canParse(value, base) && new URL(value, base).origin === base;
}
