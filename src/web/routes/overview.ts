import { Hono } from "hono";
import { bucketsOf } from "../../domain/overview.ts";
import type { OverviewFacts } from "../../domain/overview_facts.ts";
import type { Runbook } from "../../seams.ts";
import { readOverview } from "../../store/overview.ts";
import type { BucketContext } from "../components/bucket_card.ts";
import { type Env, type PageContext, wantsFragment } from "../env.ts";
import { linksFor } from "../links.ts";
import { requires } from "../middleware.ts";
import { page } from "../page.ts";
import {
  overviewBody,
  type OverviewLinks,
  overviewPage,
} from "../pages/overview_page.ts";
import { outsideHref } from "../paths.ts";
import { hostText, text } from "../render.ts";

/** The first page: what needs attention, why, and where to go. */
export function overviewRoutes(): Hono<Env> {
  return new Hono<Env>().get(
    "/",
    requires("view_overview", () => ({ type: "page", id: "overview" })),
    async (c) => {
      const { db, paths } = c.var;
      const facts = await readOverview(db);
      const context = await bucketContext(c, facts);
      const links = await overviewLinks(c);
      if (wantsFragment(c)) {
        return c.html(String(overviewBody(facts, { context, links })));
      }
      const refresh = paths.overview();
      const body = overviewPage(facts, { context, links, refresh });
      return await page(c, { title: text`Overview`, active: "overview", body });
    },
  );
}

/** Asks beforehand for everything that a card would link to. */
async function bucketContext(
  c: PageContext,
  facts: OverviewFacts,
): Promise<BucketContext> {
  const { paths, show, now, may, runbook } = c.var;
  const exemplars = bucketsOf(facts).flatMap((bucket) => bucket.exemplars);
  const linkTo = await linksFor(c, exemplars.map(({ resource }) => resource));
  const forensics = await may("view_forensics", {
    type: "page",
    id: "forensics",
  });
  return {
    paths,
    show,
    now,
    linkTo,
    auditOpen: await may("view_audit", { type: "page", id: "audit" }),
    forensicsOf: ({ resource }) =>
      forensics
        ? paths.forensics({
          resource_type: resource.type,
          resource_id: resource.id,
        })
        : null,
    runbookOf: ({ resource, diagnosis }) =>
      diagnosis === null ? null : runbookLink(runbook, { resource, diagnosis }),
  };
}

/** What the host answers is a link only if it is one; what it throws is none. */
function runbookLink(
  runbook: Runbook | null,
  { resource, diagnosis }: {
    readonly resource: Parameters<Runbook>[0];
    readonly diagnosis: string;
  },
): ReturnType<BucketContext["runbookOf"]> {
  try {
    const answer = runbook?.(resource, diagnosis) ?? null;
    const href = answer === null ? null : outsideHref(answer.href);
    return answer === null || href === null
      ? null
      : { label: hostText(answer.label, 80), href };
  } catch {
    return null;
  }
}

async function overviewLinks(c: PageContext): Promise<OverviewLinks> {
  const { paths, may } = c.var;
  const [jobs, queues, limiters, cron, audit] = await Promise.all([
    may("view_jobs", { type: "page", id: "jobs" }),
    may("view_queues", { type: "page", id: "queues" }),
    may("view_limiters", { type: "page", id: "limiters" }),
    may("view_cron", { type: "page", id: "cron" }),
    may("view_audit", { type: "page", id: "audit" }),
  ]);
  return {
    jobs: jobs ? paths.jobs() : null,
    failed: jobs ? paths.jobs({ state: "discarded" }) : null,
    retryable: jobs ? paths.jobs({ state: "retryable" }) : null,
    queues: queues ? paths.queues() : null,
    limiters: limiters ? paths.limiters() : null,
    cron: cron ? paths.cron() : null,
    audit: audit ? paths.audit() : null,
  };
}
