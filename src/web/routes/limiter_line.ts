import { parseJobId } from "../../domain/job.ts";
import type { LimiterRule } from "../../domain/limiter.ts";
import { usage } from "../../domain/limiter_admission.ts";
import { notBefore } from "../../domain/limiter_line.ts";
import type { ResourceRef } from "../../seams.ts";
import { ruleOf, stateOf } from "../../store/limited_locks.ts";
import {
  blockersOf,
  type LimiterStanding,
  readStanding,
} from "../../store/limiter_blockers.ts";
import {
  AHEAD_MAX,
  findLimiterLine,
  type LimiterLine,
  type LineJob,
  type LineJobCursor,
  listLineJobs,
  readWeightsAhead,
} from "../../store/limiter_lines.ts";
import { findLimiter } from "../../store/limiters.ts";
import type { LimiterStatus } from "../../store/limiter_status.ts";
import { limiterResource } from "../components/limiter_rows.ts";
import type { LineJobRow } from "../components/limiter_waiting.ts";
import { type PageContext, wantsFragment } from "../env.ts";
import { badPlacePage, missingPage } from "../errors.ts";
import {
  limiterKeyHref,
  limiterLineHref,
  readLineId,
} from "../limiter_address.ts";
import { linksFor } from "../links.ts";
import { page } from "../page.ts";
import {
  limiterLineLive,
  limiterLinePage,
  type LinePart,
} from "../pages/limiter_line_page.ts";
import { withQuery } from "../paths.ts";
import { text } from "../render.ts";

const JOBS_ON_A_PAGE = 25;

/** The page of one line of jobs. */
export async function showLimiterLine(
  c: PageContext,
  { status: { limiter } }: { readonly status: LimiterStatus },
): Promise<Response> {
  const { db, show, paths, now, formToken } = c.var;
  const { name } = limiter;
  const id = await readLineId(c, name);
  const asked = readPlace(c);
  if (id === null || asked === null) {
    return await badPlacePage(c, paths.limiter(name));
  }
  const line = await findLimiterLine(db, { limiter: name, id });
  if (line === null) {
    return await missingPage(c, {
      what: text`line of jobs`,
      name: show("name", name, limiterResource(name)),
    });
  }
  const begin = await limiterLineHref(c, { limiter: name, id });
  const jobs = await listLineJobs(db, {
    id,
    ...asked,
    limit: JOBS_ON_A_PAGE + 1,
  });
  const shown = asked.way === "up"
    ? jobs.slice(-JOBS_ON_A_PAGE)
    : jobs.slice(0, JOBS_ON_A_PAGE);
  const [first] = shown;
  const last = shown.at(-1);
  const isMore = jobs.length > shown.length;
  const hasLess = asked.way === "up" ? isMore : asked.from !== null;
  const hasMore = asked.way === "up" || isMore;
  const standings = await standingsOf(c, { line, job: first });
  const content = {
    limiter,
    line,
    parts: await partsOf(c, standings),
    jobs: await rowsOf(c, { line, standings, jobs: shown, limiter: name }),
    less: hasLess && first
      ? withQuery(begin, { before: cursorText(first) })
      : null,
    more: hasMore && last
      ? withQuery(begin, { after: cursorText(last) })
      : null,
    here: asked.from === null ? begin : withQuery(begin, {
      [asked.way === "up" ? "before" : "after"]: cursorText(asked.from),
    }),
  };
  const linkTo = await linksFor(c, [
    ...shown.map(({ jobId }): ResourceRef => ({ type: "job", id: jobId })),
    { type: "queue", id: line.queue },
  ]);
  const context = { show, paths, now, formToken, linkTo };
  if (wantsFragment(c)) {
    return c.html(String(limiterLineLive(content, context)));
  }
  return await page(c, {
    title: text`Line of ${show("name", name, limiterResource(name))}`,
    active: "limiters",
    body: limiterLinePage(content, context),
  });
}

interface Place {
  readonly from: LineJobCursor | null;
  readonly way: "down" | "up";
}

/** Reads the place between two jobs; `null` if it is none. */
function readPlace(c: PageContext): Place | null {
  const { after, before } = c.req.query();
  const text = after ?? before;
  if (text === undefined) return { from: null, way: "down" };
  const match = /^(-?\d{1,5})_(\d{1,19})$/.exec(text);
  const priority = Number(match?.[1]);
  const jobId = parseJobId(match?.[2] ?? "");
  if (jobId === null || Math.abs(priority) > 32_767) return null;
  return {
    from: { priority, jobId },
    way: after === undefined ? "up" : "down",
  };
}

function cursorText({ priority, jobId }: LineJobCursor): string {
  return `${priority}_${jobId}`;
}

/** How the limiters of a line stand, in its order, for one of its jobs. */
async function standingsOf(
  c: PageContext,
  { line, job }: {
    readonly line: LimiterLine;
    readonly job: LineJob | undefined;
  },
): Promise<readonly LimiterStanding[]> {
  const found = await Promise.all(
    line.limiters.map((limiter, index) =>
      readStanding(c.var.db, {
        limiter,
        key: line.keys[index] ?? "",
        weight: job?.weights[index] ?? null,
      })
    ),
  );
  return found.filter((standing) => standing !== null);
}

async function partsOf(
  c: PageContext,
  standings: readonly LimiterStanding[],
): Promise<readonly LinePart[]> {
  const parts = await Promise.all(standings.map(async (standing) => {
    const limiter = await findLimiter(c.var.db, standing.limiter);
    if (limiter === null) return null;
    const { key, capacity, nowMs } = standing;
    const state = stateOf(standing, standing.used);
    const [blocker = null] = blockersOf([standing]);
    const href = limiter.partitionBy === null
      ? c.var.paths.limiter(limiter.name)
      : await limiterKeyHref(c, { limiter: limiter.name, key });
    const { used } = usage(ruleOf(standing), { state, nowMs });
    return { limiter, key, used, capacity, blocker, href };
  }));
  return parts.filter((part) => part !== null);
}

/** Each job with before when it can not start, by what stands before it. */
async function rowsOf(
  c: PageContext,
  { line, standings, jobs, limiter }: {
    readonly line: LimiterLine;
    readonly standings: readonly LimiterStanding[];
    readonly jobs: readonly LineJob[];
    readonly limiter: string;
  },
): Promise<readonly LineJobRow[]> {
  const [first] = jobs;
  if (first === undefined) return [];
  const before = await readWeightsAhead(c.var.db, {
    id: line.id,
    before: first,
  });
  const rules: readonly LimiterRule[] = standings.map(ruleOf);
  const takes = (weights: readonly number[], index: number) =>
    Math.min(weights[index] ?? 1, rules[index]?.capacity ?? 1);
  const ahead = rules.map((_, index) =>
    before.reduce(
      (sum, { weights, jobs }) => sum + takes(weights, index) * jobs,
      0,
    )
  );
  let count = before.reduce((sum, { jobs }) => sum + jobs, 0);
  const parts = standings.map((standing) => ({
    rule: ruleOf(standing),
    state: stateOf(standing, standing.used),
    nowMs: standing.nowMs,
  }));
  const own = line.limiters.indexOf(limiter);
  return jobs.map((job) => {
    const { weights } = job;
    const when = count >= AHEAD_MAX
      ? null
      : notBefore(parts, { ahead: [...ahead], weights });
    for (const index of ahead.keys()) {
      ahead[index] = (ahead[index] ?? 0) + takes(weights, index);
    }
    count += 1;
    return { job, weight: weights[own] ?? 1, notBefore: when };
  });
}
