import { Hono } from "hono";
import type { AuditEvent } from "../../domain/audit.ts";
import {
  findAuditEvent,
  findAuditHead,
  listAuditEvents,
} from "../../store/audit.ts";
import {
  EXPORT_EVENTS_MAX,
  EXPORT_FORMATS,
  exportText,
} from "../audit_export.ts";
import {
  type AuditQuery,
  parseAuditQuery,
  parseEventId,
} from "../audit_query.ts";
import { resourceOf } from "../components/audit_rows.ts";
import type { Env, PageContext } from "../env.ts";
import { badFiltersPage, missingPage } from "../errors.ts";
import { linksFor } from "../links.ts";
import { requires } from "../middleware.ts";
import { page } from "../page.ts";
import { auditEventPage } from "../pages/audit_event_page.ts";
import {
  type AuditPage,
  auditPage,
  auditQueryOf,
} from "../pages/audit_page.ts";
import { text } from "../render.ts";

const PAGE_EVENTS = 50;
const viewAudit = requires("view_audit", () => ({ type: "page", id: "audit" }));

/** Routes of the audit: the list, one event, and what can be taken away. */
export function auditRoutes(): Hono<Env> {
  const routes = new Hono<Env>()
    .get("/audit", viewAudit, showAudit)
    .get("/audit/:id", viewAudit, showEvent);
  for (const format of EXPORT_FORMATS) {
    routes.get(`/audit.${format}`, viewAudit, async (c) => {
      const query = parseAuditQuery(c.req.query(), c.var.now);
      if (Object.keys(query.problems).length > 0) {
        return await badFiltersPage(c, c.var.paths.audit(c.req.query()));
      }
      const events = await listAuditEvents(c.var.db, {
        filters: query.filters,
        before: query.before,
        limit: EXPORT_EVENTS_MAX,
      });
      const { show } = c.var;
      return c.body(exportText(events, { format, show }), 200, {
        "Content-Type": format === "csv"
          ? "text/csv; charset=utf-8"
          : "application/x-ndjson; charset=utf-8",
        "Content-Disposition": `attachment; filename="audit.${format}"`,
        ...nextExport(c, { format, query, events }),
      });
    });
  }
  return routes;
}

/** An export that was cut says where it goes on. */
function nextExport(
  c: PageContext,
  { format, query, events }: {
    readonly format: typeof EXPORT_FORMATS[number];
    readonly query: AuditQuery;
    readonly events: readonly AuditEvent[];
  },
): Record<string, string> {
  const last = events.at(-1);
  if (last === undefined || events.length < EXPORT_EVENTS_MAX) return {};
  const next = c.var.paths.auditExport(format, {
    ...auditQueryOf(query),
    before: last.id,
  });
  return { Link: `<${next}>; rel="next"` };
}

async function showAudit(c: PageContext): Promise<Response> {
  const { db, show, paths, now } = c.var;
  const query = parseAuditQuery(c.req.query(), now);
  const { events, newer, older } = await readPage(c, query);
  const head = await findAuditHead(db);
  const linkTo = await linksFor(c, events.map(resourceOf));
  return await page(c, {
    title: text`Audit`,
    active: "audit",
    body: auditPage({ query, events, newer, older, head }, {
      show,
      paths,
      now,
      linkTo,
    }),
  });
}

/** One page of events, one more than it shows, to know whether there are more. */
async function readPage(
  c: PageContext,
  query: AuditQuery,
): Promise<Pick<AuditPage, "events" | "newer" | "older">> {
  const { db, paths } = c.var;
  const { filters, before, after } = query;
  const found = await listAuditEvents(db, {
    filters,
    ...after === null ? { before } : { after },
    limit: PAGE_EVENTS + 1,
  });
  const more = found.length > PAGE_EVENTS;
  // Looking upwards, the one too many is the newest and comes first.
  const events = after === null
    ? found.slice(0, PAGE_EVENTS)
    : found.slice(-PAGE_EVENTS);
  const base = auditQueryOf(query);
  const first = events[0];
  const last = events.at(-1);
  const hasNewer = after === null ? before !== null : more;
  const hasOlder = after === null ? more : true;
  return {
    events,
    newer: hasNewer && first !== undefined
      ? paths.audit({ ...base, after: first.id })
      : hasNewer
      ? paths.audit(base)
      : null,
    older: hasOlder && last !== undefined
      ? paths.audit({ ...base, before: last.id })
      : null,
  };
}

async function showEvent(c: PageContext): Promise<Response> {
  const { db, show, paths, now, may } = c.var;
  const asked = c.req.param("id") ?? "";
  const id = parseEventId(asked);
  const event = id === null ? null : await findAuditEvent(db, id);
  if (event === null) {
    const name = show("name", asked, { type: "page", id: "audit" });
    return await missingPage(c, { what: text`audit event`, name });
  }
  const linkTo = await linksFor(c, [resourceOf(event)]);
  const forensics = await may("view_forensics", {
    type: "page",
    id: "forensics",
  });
  return await page(c, {
    title: text`Audit event ${event.id}`,
    active: "audit",
    body: auditEventPage(event, { show, paths, now, linkTo, forensics }),
  });
}
