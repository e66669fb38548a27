import type { ContentfulStatusCode } from "hono/utils/http-status";
import { takeFlash } from "./cookies.ts";
import type { PageContext } from "./env.ts";
import {
  type NavItem,
  type NavKey,
  shell,
  shownLayout,
} from "./components/shell.ts";
import type { Permission } from "../seams.ts";
import type { Href, Markup, Plain, Shown } from "./render.ts";
import { text } from "./render.ts";

/** What a route brings; the rest of the page is the same everywhere. */
export interface Page {
  readonly title: Plain | Shown;
  readonly active: NavKey | null;
  readonly body: Markup;
  /** Whether the actor may look here and do nothing. */
  readonly readOnly?: boolean;
  readonly status?: ContentfulStatusCode;
}

/** Answers with a whole page. */
export async function page(
  c: PageContext,
  { title, active, body, readOnly = false, status = 200 }: Page,
): Promise<Response> {
  const { paths, theme, layout, formToken, show, actor } = c.var;
  const label = show("actor", actor, { type: "page", id: "shell" });
  const markup = shell({
    title,
    body,
    paths,
    theme,
    layout: shownLayout(layout),
    active,
    path: here(c),
    person: { label, readOnly, formToken, nav: await navFor(c) },
    flash: await takeFlash(c),
    now: c.var.now,
  });
  return c.html(String(markup), status);
}

const NAV = [
  ["overview", "view_overview", text`Overview`],
  ["jobs", "view_jobs", text`Jobs`],
  ["queues", "view_queues", text`Queues`],
  ["limiters", "view_limiters", text`Limiters`],
  ["cron", "view_cron", text`Cron`],
  ["forensics", "view_forensics", text`Forensics`],
  ["audit", "view_audit", text`Audit`],
] as const satisfies readonly (readonly [NavKey, Permission, Plain])[];

/** Only the pages which this actor may open. */
export async function navFor(c: PageContext): Promise<readonly NavItem[]> {
  const { may, paths } = c.var;
  const items = await Promise.all(NAV.map(async ([key, permission, label]) => {
    const open = await may(permission, { type: "page", id: key });
    return open ? { key, label, href: paths[key]() } : null;
  }));
  return items.filter((item) => item !== null);
}

/** This page as a link; a form leads back to the overview instead. */
function here(c: PageContext): Href {
  if (c.req.method !== "GET") return c.var.paths.overview();
  const { pathname, search } = new URL(c.req.url);
  return c.var.paths.back(pathname + search);
}
