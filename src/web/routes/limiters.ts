import { Hono } from "hono";
import type { ResourceRef } from "../../seams.ts";
import { listLimiterFacts } from "../../store/limiter_blockers.ts";
import {
  findLimiterStatus,
  listBusyKeys,
  listLimiterStatus,
} from "../../store/limiter_status.ts";
import {
  type LimiterContext,
  limiterResource,
} from "../components/limiter_rows.ts";
import { type Env, type PageContext, wantsFragment } from "../env.ts";
import { missingPage } from "../errors.ts";
import { requires } from "../middleware.ts";
import { page } from "../page.ts";
import { limiterLive, limiterPage } from "../pages/limiter_page.ts";
import { limitersLive, limitersPage } from "../pages/limiters_page.ts";
import { nameOf } from "../paths.ts";
import { text } from "../render.ts";

const LIMITERS: ResourceRef = { type: "page", id: "limiters" };
const viewLimiters = requires("view_limiters", () => LIMITERS);
/** Of its history, on its page. */
const FACTS_MAX = 20;

/** Routes of the limiters. */
export function limitersRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get("/limiters", viewLimiters, showLimiters)
    .get("/limiters/:name", viewLimiters, showLimiter);
}

async function showLimiters(c: PageContext): Promise<Response> {
  const limiters = await listLimiterStatus(c.var.db);
  const context = contextOf(c);
  if (wantsFragment(c)) return c.html(String(limitersLive(limiters, context)));
  return await page(c, {
    title: text`Limiters`,
    active: "limiters",
    body: limitersPage(limiters, context),
  });
}

async function showLimiter(c: PageContext): Promise<Response> {
  const { db, show, may } = c.var;
  const name = nameOf(c.req.param("name") ?? "");
  const resource = limiterResource(name);
  const isStorable = name.length <= 128 && !name.includes("\0");
  const status = isStorable ? await findLimiterStatus(db, name) : null;
  if (status === null) {
    return await missingPage(c, {
      what: text`limiter`,
      name: show("name", name, resource),
    });
  }
  const content = {
    status,
    keys: await listBusyKeys(db, name),
    facts: await listLimiterFacts(db, { limiter: name, limit: FACTS_MAX }),
    may: {
      cool_down_limiter: await may("cool_down_limiter", resource),
      clear_limiter_cooldown: await may("clear_limiter_cooldown", resource),
      scale_limiter: await may("scale_limiter", resource),
    },
  };
  const context = contextOf(c);
  if (wantsFragment(c)) return c.html(String(limiterLive(content, context)));
  return await page(c, {
    title: show("name", name, resource),
    active: "limiters",
    body: limiterPage(content, context),
  });
}

function contextOf(c: PageContext): LimiterContext {
  const { show, paths, now, formToken } = c.var;
  return { show, paths, now, formToken };
}
