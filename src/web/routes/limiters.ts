import { Hono } from "hono";
import { isStorableText } from "../../domain/storable.ts";
import type { ResourceRef } from "../../seams.ts";
import {
  findLimiterStatus,
  type LimiterStatus,
  listLimiterStatus,
} from "../../store/limiter_status.ts";
import type { LimiterRights } from "../components/limiter_actions.ts";
import {
  type LimiterContext,
  limiterResource,
} from "../components/limiter_rows.ts";
import { type Env, type PageContext, wantsFragment } from "../env.ts";
import { badPlacePage, missingPage } from "../errors.ts";
import {
  limiterHref,
  readLimiterAddress,
  readLineCursor,
} from "../limiter_address.ts";
import {
  placesOf,
  readLimiterEvidence,
  readLines,
  readPartitions,
} from "../limiter_reading.ts";
import { linksFor } from "../links.ts";
import { requires } from "../middleware.ts";
import { page } from "../page.ts";
import { limiterLive, limiterPage } from "../pages/limiter_page.ts";
import {
  limitersLive,
  limitersPage,
  type LimitersView,
} from "../pages/limiters_page.ts";
import { nameOf, withQuery } from "../paths.ts";
import { text } from "../render.ts";
import { showLimiterKey } from "./limiter_key.ts";
import { showLimiterLine } from "./limiter_line.ts";

const LIMITERS: ResourceRef = { type: "page", id: "limiters" };
const viewLimiters = requires("view_limiters", () => LIMITERS);

/** Routes of the limiters. */
export function limitersRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get("/limiters", viewLimiters, showLimiters)
    .get("/limiters/:name", viewLimiters, withLimiter(showLimiter))
    .post("/limiters/:name/searches", viewLimiters, findKeys)
    .get("/limiters/:name/keys/:key", viewLimiters, withLimiter(showLimiterKey))
    .get(
      "/limiters/:name/lines/:line",
      viewLimiters,
      withLimiter(showLimiterLine),
    );
}

async function showLimiters(c: PageContext): Promise<Response> {
  const all = await listLimiterStatus(c.var.db);
  const { show, paths, now, formToken } = c.var;
  const context: LimiterContext = { show, paths, now, formToken };
  const view = limitersView(all, c);
  if (wantsFragment(c)) return c.html(String(limitersLive(view, context)));
  return await page(c, {
    title: text`Limiters`,
    active: "limiters",
    body: limitersPage(view, context),
  });
}

const LIMITERS_ON_A_PAGE = 100;

/** Cuts out the page that an address names; one that there is not is the first. */
function limitersView(
  all: readonly LimiterStatus[],
  c: PageContext,
): LimitersView {
  const { paths } = c.var;
  const asked = Number(/^\d{1,3}$/.exec(c.req.query("page") ?? "")?.[0] ?? "1");
  const last = Math.max(Math.ceil(all.length / LIMITERS_ON_A_PAGE), 1);
  const number = asked >= 1 && asked <= last ? asked : 1;
  const before = (number - 1) * LIMITERS_ON_A_PAGE;
  const isCooling = ({ limiter, coolingKeys }: LimiterStatus) =>
    limiter.cooldownUntil !== null || coolingKeys > 0;
  const at = (page: number) =>
    page === 1
      ? paths.limiters()
      : withQuery(paths.limiters(), { page: String(page) });
  return {
    limiters: all.slice(before, before + LIMITERS_ON_A_PAGE),
    count: all.length,
    holding: all.filter(({ lanes }) => lanes > 0).length,
    cooling: all.filter(isCooling).length,
    before,
    more: number < last ? at(number + 1) : null,
    less: number > 1 ? at(number - 1) : null,
    here: at(number),
  };
}

/** Finds the limiter that an address names, and what the actor may do to it. */
function withLimiter(
  show: (
    c: PageContext,
    found: { readonly status: LimiterStatus; readonly may: LimiterRights },
  ) => Promise<Response>,
) {
  return async (c: PageContext): Promise<Response> => {
    const name = nameOf(c.req.param("name") ?? "");
    const resource = limiterResource(name);
    const isStorable = name.length <= 128 && isStorableText(name);
    const status = isStorable ? await findLimiterStatus(c.var.db, name) : null;
    if (status === null) {
      return await missingPage(c, {
        what: text`limiter`,
        name: c.var.show("name", name, resource),
      });
    }
    const { may } = c.var;
    return await show(c, {
      status,
      may: {
        cool_down_limiter: await may("cool_down_limiter", resource),
        clear_limiter_cooldown: await may("clear_limiter_cooldown", resource),
        scale_limiter: await may("scale_limiter", resource),
      },
    });
  };
}

async function showLimiter(
  c: PageContext,
  { status, may }: {
    readonly status: LimiterStatus;
    readonly may: LimiterRights;
  },
): Promise<Response> {
  const { show, paths, now, formToken } = c.var;
  const { limiter } = status;
  const { name } = limiter;
  const address = await readLimiterAddress(c, name);
  const after = await readLineCursor(c, name);
  if (address === null || after === undefined) {
    return await badPlacePage(c, paths.limiter(name));
  }
  const { from, way, find } = address;
  const place = way === "up" ? { before: from } : { after: from };
  const here = await limiterHref(c, name, { find, ...place });
  // They do not need each other, and a pool has a connection for each.
  const [lines, evidence, partitions] = await Promise.all([
    readLines(c, {
      limiter: name,
      // Without keys, all stand under the empty one, and in order.
      key: limiter.partitionBy === null ? "" : null,
      after,
      here,
    }),
    readLimiterEvidence(c, { limiter, key: null }),
    limiter.partitionBy === null ? null : readPartitions(c, limiter, address),
  ]);
  const content = {
    status,
    partitions,
    lines,
    evidence,
    may,
    here: lines.here,
    mayOpenForensics: await c.var.may("view_forensics", {
      type: "page",
      id: "forensics",
    }),
  };
  const linkTo = await linksFor(c, placesOf(content));
  const context = { show, paths, now, formToken, linkTo };
  if (wantsFragment(c)) return c.html(String(limiterLive(content, context)));
  return await page(c, {
    title: show("name", name, limiterResource(name)),
    active: "limiters",
    body: limiterPage(content, context),
  });
}

/** Goes to the page of what was searched for, which has it sealed. */
async function findKeys(c: PageContext): Promise<Response> {
  const name = nameOf(c.req.param("name") ?? "");
  const key = (c.var.form["key"] ?? "").slice(0, 200);
  const isAsked = key !== "" && isStorableText(key);
  const href = await limiterHref(c, name, { find: isAsked ? key : null });
  return c.redirect(href, 303);
}
