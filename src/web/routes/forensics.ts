import { Hono } from "hono";
import type { Bundle } from "../../forensics/bundle.ts";
import {
  collectBundle,
  SELECTORS,
  type Selectors,
} from "../../forensics/collect.ts";
import type { ResourceRef } from "../../seams.ts";
import type { HostRunbook, PathContext } from "../components/path_list.ts";
import type { Env, PageContext } from "../env.ts";
import { exportBundle } from "../forensics_export.ts";
import { linksFor } from "../links.ts";
import { requires } from "../middleware.ts";
import { page } from "../page.ts";
import { forensicsPage } from "../pages/forensics_page.ts";
import { outsideHref } from "../paths.ts";
import { hostText, text } from "../render.ts";

const viewForensics = requires(
  "view_forensics",
  () => ({ type: "page", id: "forensics" }),
);

/** Routes of forensics: a bundle as a page, and as data to hand over. */
export function forensicsRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get("/forensics", viewForensics, async (c) => {
      const selectors = readSelectors(c);
      const bundle = await collectBundle(c.var.db, selectors);
      const { show, now } = c.var;
      const context = await pathContextFor(c, bundle);
      const hostRunbook = hostRunbookOf(c, bundle);
      return await page(c, {
        title: text`Forensics`,
        active: "forensics",
        body: forensicsPage(bundle, {
          ...context,
          show,
          now,
          selectors,
          hostRunbook,
        }),
      });
    })
    .get("/forensics.json", viewForensics, async (c) => {
      const bundle = await collectBundle(c.var.db, readSelectors(c));
      const data = exportBundle(bundle, c.var.show);
      return c.body(`${JSON.stringify(data, null, 2)}\n`, 200, {
        "Content-Type": "application/json; charset=utf-8",
        "Content-Disposition": `attachment; filename="forensics.json"`,
      });
    });
}

/** The selectors that a link may carry; everything else is left out. */
function readSelectors(c: PageContext): Selectors {
  const selectors: { -readonly [Key in keyof Selectors]: Selectors[Key] } = {};
  for (const name of SELECTORS) {
    const value = c.req.query(name);
    if (value !== undefined && value !== "") selectors[name] = value;
  }
  return selectors;
}

async function pathContextFor(
  c: PageContext,
  bundle: Bundle,
): Promise<PathContext> {
  const { may, paths } = c.var;
  return {
    paths,
    linkTo: await linksFor(c, resourcesOf(bundle)),
    open: {
      audit: await may("view_audit", { type: "page", id: "audit" }),
      queues: await may("view_queues", { type: "page", id: "queues" }),
      forensics: true,
    },
  };
}

/** Every thing that the page of a bundle could link to. */
function resourcesOf(bundle: Bundle): ResourceRef[] {
  const targets = [...bundle.paths, ...bundle.runbook.paths]
    .map(({ target }) => target);
  return [
    bundle.subject.resource,
    ...bundle.linked.map(({ resource }) => resource),
    ...bundle.chronology.map(({ resource }) => resource),
    ...targets.map((target) =>
      target?.page === "resource" ? target.resource : null
    ),
  ].filter((resource) => resource !== null);
}

/** The host's own instructions; a seam that throws has none. */
function hostRunbookOf(c: PageContext, bundle: Bundle): HostRunbook | null {
  const { runbook } = c.var;
  const { resource } = bundle.subject;
  if (runbook === null || resource === null) return null;
  try {
    const answer = runbook(resource, bundle.diagnosis.code);
    if (answer === null) return null;
    const href = outsideHref(answer.href);
    if (href === null) return null;
    return { href, label: hostText(answer.label, 80) };
  } catch {
    return null;
  }
}
