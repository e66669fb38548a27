import { Hono } from "hono";
import { parseJobId } from "../../domain/job.ts";
import type { ResourceRef } from "../../seams.ts";
import { countJobs } from "../../store/job_counts.ts";
import { findJobDetail } from "../../store/job_detail.ts";
import { listKnownNames } from "../../store/queue_status.ts";
import { listJobs } from "../../store/search.ts";
import { type Env, type PageContext, wantsFragment } from "../env.ts";
import { missingPage } from "../errors.ts";
import { readJobFacts } from "../job_facts.ts";
import { askedJobId, listHref, listMark, parseJobQuery } from "../job_query.ts";
import { linksFor } from "../links.ts";
import { requires } from "../middleware.ts";
import { page } from "../page.ts";
import { jobLive, jobPage } from "../pages/job_page.ts";
import { jobsLive, jobsPage } from "../pages/jobs_page.ts";
import { text } from "../render.ts";

const JOBS: ResourceRef = { type: "page", id: "jobs" };
const JOBS_ON_A_PAGE = 25;

/** Routes of the list of jobs, and of one job. */
export function jobsRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get("/jobs", requires("view_jobs", () => JOBS), showJobs)
    .get("/jobs/:id", requires("view_job_detail", jobOf), showJob);
}

async function showJobs(c: PageContext): Promise<Response> {
  const { db, show, paths, now, may } = c.var;
  const jobId = askedJobId(c.req.query());
  if (jobId !== null) return c.redirect(paths.job(jobId), 303);
  const query = parseJobQuery(c.req.query());
  const found = await listJobs(db, { ...query, limit: JOBS_ON_A_PAGE });
  const counts = await countJobs(db, query.filter);
  const linkTo = await linksFor(
    c,
    found.jobs.flatMap(({ jobId, queue }): ResourceRef[] => [
      { type: "job", id: jobId },
      { type: "queue", id: queue },
    ]),
  );
  const mark = listMark(query, new URL(c.req.url).search);
  const context = { show, paths, now, linkTo, mark };
  const readOnly = !await may("retry_job", JOBS);
  const part = { query, found, counts, readOnly };
  if (wantsFragment(c)) {
    const live = jobsLive({ ...part, known: NOTHING_KNOWN }, context);
    return c.html(String(live));
  }
  const known = await listKnownNames(db);
  return await page(c, {
    title: text`Jobs`,
    active: "jobs",
    readOnly,
    body: jobsPage({ ...part, known }, context),
  });
}

/** A refresh has no form, so it needs no suggestions. */
const NOTHING_KNOWN = { queues: [], workers: [] };

async function showJob(c: PageContext): Promise<Response> {
  const { db, paths, show } = c.var;
  const asked = c.req.param("id") ?? "";
  const jobId = parseJobId(asked);
  const job = jobId === null ? null : await findJobDetail(db, jobId);
  const facts = job === null ? null : await readJobFacts(c, job);
  if (facts === null) {
    const name = show("name", asked, JOBS);
    return await missingPage(c, { what: text`job`, name });
  }
  const back = listHref(c.req.query("list"), paths);
  if (wantsFragment(c)) return c.html(String(jobLive(facts)));
  return await page(c, {
    title: text`Job ${facts.job.jobId}`,
    active: "jobs",
    readOnly: facts.readOnly,
    body: jobPage(facts, back),
  });
}

function jobOf(c: PageContext): ResourceRef {
  return { type: "job", id: c.req.param("id") ?? "" };
}
