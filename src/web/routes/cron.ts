import { Hono } from "hono";
import type { AuditEvent } from "../../domain/audit.ts";
import type { JsonObject } from "../../domain/secret_paths.ts";
import {
  type CronReading,
  lastRun,
  readCronEntries,
} from "../../forensics/cron_history.ts";
import type { ResourceRef } from "../../seams.ts";
import { listAuditEvents } from "../../store/audit.ts";
import {
  type CronEntry,
  findCronEntry,
  listCronEntries,
} from "../../store/cron.ts";
import { parseInstant } from "../audit_query.ts";
import { resourceOf } from "../components/audit_rows.ts";
import { type CronMay, cronMayFor } from "../components/cron_actions.ts";
import { HISTORY_ITEMS } from "../components/cron_history_view.ts";
import { type CronRowContext, STRIP_CELLS } from "../components/cron_rows.ts";
import { type Env, type PageContext, wantsFragment } from "../env.ts";
import { missingPage } from "../errors.ts";
import { linksFor } from "../links.ts";
import { requires } from "../middleware.ts";
import { page } from "../page.ts";
import { cronEntryPage } from "../pages/cron_entry_page.ts";
import { cronLive, type CronPage, cronPage } from "../pages/cron_page.ts";
import { nameOf } from "../paths.ts";
import { text } from "../render.ts";

/** Entries of one page: each row has a strip, and the host is asked thrice. */
const PAGE_ENTRIES = 50;
const RECENT_EVENTS = 5;

const viewCron = requires("view_cron", () => ({ type: "page", id: "cron" }));

/** Routes of cron: the list of entries, and one of them. */
export function cronRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get("/cron", viewCron, showList)
    .get("/cron/:name", viewCron, showEntry);
}

async function showList(c: PageContext): Promise<Response> {
  const { db, paths, now } = c.var;
  const retired = c.req.query("retired") === "yes";
  const after = c.req.query("after") ?? "";
  const found = after.includes("\0") ? [] : await listCronEntries(db, {
    after,
    retired,
    limit: PAGE_ENTRIES + 1,
  });
  const entries = found.slice(0, PAGE_ENTRIES);
  const readings = await readCronEntries(db, entries, {
    now,
    history: STRIP_CELLS,
    next: 1,
  });
  const events = await recentEvents(c);
  const context = await contextFor(c, { readings, events, links: [] });
  const query = { retired: retired ? "yes" : null };
  const last = entries.at(-1);
  const body: CronPage = {
    readings,
    events,
    readOnly: isReadOnly(entries, context),
    retired,
    first: after === "" ? null : paths.cron(query),
    older: found.length > PAGE_ENTRIES && last !== undefined
      ? paths.cron({ ...query, after: last.name })
      : null,
    here: paths.cron({ ...query, after }),
  };
  if (wantsFragment(c)) return c.html(String(cronLive(body, context)));
  return await page(c, {
    title: text`Cron`,
    active: "cron",
    body: cronPage(body, context),
    readOnly: body.readOnly,
  });
}

/** Its args, where they are encrypted and the host lets the actor see them. */
async function openedArgs(
  c: PageContext,
  { name, worker, args }: CronEntry,
): Promise<JsonObject | null> {
  const { actor, reveal } = c.var;
  const resource = { type: "cron_entry", id: name } as const;
  const revealed = await reveal?.({ actor, resource, worker, args });
  return revealed?.args ?? null;
}

async function showEntry(c: PageContext): Promise<Response> {
  const { db, paths, now, show, may } = c.var;
  const name = nameOf(c.req.param("name") ?? "");
  const entry = name.includes("\0") ? null : await findCronEntry(db, name);
  if (entry === null) {
    const resource = { type: "cron_entry", id: name } as const;
    return await missingPage(c, {
      what: text`cron entry`,
      name: show("name", name, resource),
    });
  }
  const before = parseInstant(c.req.query("before") ?? "", now);
  const reading = await readOne(c, entry, null);
  const history = before === null ? reading : await readOne(c, entry, before);
  const events = await recentEvents(c, name);
  const context = await contextFor(c, {
    readings: [reading],
    events,
    links: linksOf(history),
  });
  const oldest = history.items[0];
  const full = history.items.length === HISTORY_ITEMS;
  const readOnly = isReadOnly([entry], context);
  return await page(c, {
    title: show("name", entry.name, { type: "cron_entry", id: entry.name }),
    active: "cron",
    readOnly,
    body: cronEntryPage({
      reading,
      openedArgs: await openedArgs(c, entry),
      history,
      newest: before === null ? null : paths.cronEntry(name),
      older: full && oldest !== undefined
        ? paths.cronEntry(name, { before: oldest.plannedAt.toISOString() })
        : null,
      events,
      readOnly,
      forensics: await may("view_forensics", {
        type: "page",
        id: "forensics",
      }),
    }, context),
  });
}

async function readOne(
  c: PageContext,
  entry: CronEntry,
  before: Date | null,
): Promise<CronReading> {
  const { db, now } = c.var;
  const [reading] = await readCronEntries(db, [entry], {
    now,
    history: HISTORY_ITEMS,
    next: 5,
    before,
  });
  if (reading === undefined) throw new Error("No reading of a cron entry");
  return reading;
}

/** Asks the host once for everything that the rows depend on. */
async function contextFor(
  c: PageContext,
  { readings, events, links }: {
    readonly readings: readonly CronReading[];
    readonly events: readonly AuditEvent[] | null;
    /** What else the page links to. */
    readonly links: readonly ResourceRef[];
  },
): Promise<CronRowContext> {
  const { paths, show, now, formToken } = c.var;
  const mays = new Map<string, CronMay>();
  for (const { entry } of readings) {
    mays.set(entry.name, await cronMayFor(c, entry.name));
  }
  const linkTo = await linksFor(c, [
    ...links,
    ...readings.flatMap(lastJobOf),
    ...(events ?? []).map(resourceOf),
  ]);
  const mayOf = (name: string) => mays.get(name) ?? NOTHING;
  return { paths, show, now, formToken, linkTo, mayOf };
}

function lastJobOf({ items, jobs }: CronReading): readonly ResourceRef[] {
  const id = lastRun(items, jobs)?.item.slot?.jobId ?? null;
  return id === null ? [] : [{ type: "job", id }];
}

/** Every job of a history, and the queue that they wait in. */
function linksOf({ entry, items }: CronReading): readonly ResourceRef[] {
  const jobs = items.flatMap(({ slot }): ResourceRef[] => {
    const id = slot?.jobId ?? slot?.blockedById ?? null;
    return id === null ? [] : [{ type: "job", id }];
  });
  return [{ type: "queue", id: entry.queue }, ...jobs];
}

const NOTHING: CronMay = {
  pause_cron_entry: false,
  resume_cron_entry: false,
  run_cron_entry: false,
};

/** There is something to act on, and nothing that this actor may do. */
function isReadOnly(
  entries: readonly CronEntry[],
  { mayOf }: CronRowContext,
): boolean {
  return entries.length > 0 &&
    entries.every(({ name }) => !Object.values(mayOf(name)).includes(true));
}

/** The newest events of cron, of one entry or of all; null: not for this actor. */
async function recentEvents(
  c: PageContext,
  name?: string,
): Promise<readonly AuditEvent[] | null> {
  if (!await c.var.may("view_audit", { type: "page", id: "audit" })) {
    return null;
  }
  return await listAuditEvents(c.var.db, {
    filters: {
      resourceType: "cron_entry",
      ...name === undefined ? {} : { resourceId: name },
    },
    limit: RECENT_EVENTS,
  });
}
