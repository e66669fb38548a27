import { usage } from "../../domain/limiter_admission.ts";
import { ruleOf, stateOf } from "../../store/limited_locks.ts";
import { readStanding } from "../../store/limiter_blockers.ts";
import type { LimiterStatus } from "../../store/limiter_status.ts";
import { findPartitionCooldown } from "../../store/limiters.ts";
import type { LimiterRights } from "../components/limiter_actions.ts";
import { limiterResource } from "../components/limiter_rows.ts";
import { type PageContext, wantsFragment } from "../env.ts";
import { badPlacePage } from "../errors.ts";
import {
  limiterKeyHref,
  readKey,
  readLineCursor,
  sealKey,
} from "../limiter_address.ts";
import {
  placesOf,
  readLimiterEvidence,
  readLines,
} from "../limiter_reading.ts";
import { linksFor } from "../links.ts";
import { page } from "../page.ts";
import { limiterKeyLive, limiterKeyPage } from "../pages/limiter_key_page.ts";
import { text } from "../render.ts";

/** The page of one key of a limiter. */
export async function showLimiterKey(
  c: PageContext,
  { status, may }: {
    readonly status: LimiterStatus;
    readonly may: LimiterRights;
  },
): Promise<Response> {
  const { db, show, paths, now, formToken } = c.var;
  const { limiter } = status;
  const { name } = limiter;
  const key = await readKey(c, name);
  const after = await readLineCursor(c, name);
  const standing = key === null
    ? null
    : await readStanding(db, { limiter: name, key });
  if (key === null || after === undefined || standing === null) {
    return await badPlacePage(c, paths.limiter(name));
  }
  const here = await limiterKeyHref(c, { limiter: name, key });
  const lines = await readLines(c, { limiter: name, key, after, here });
  const evidence = await readLimiterEvidence(c, { limiter, key });
  const { nowMs } = standing;
  const state = stateOf(standing, standing.used);
  const content = {
    status,
    standing,
    used: usage(ruleOf(standing), { state, nowMs }).used,
    sealed: await sealKey(c, { limiter: name, key }),
    cooldown: await findPartitionCooldown(db, { limiter: name, key }),
    lines,
    evidence,
    may,
    here: lines.here,
  };
  const linkTo = await linksFor(c, placesOf(content));
  const context = { show, paths, now, formToken, linkTo };
  if (wantsFragment(c)) {
    return c.html(String(limiterKeyLive(content, context)));
  }
  return await page(c, {
    // A title stays in the history of a browser, so it has no key.
    title: text`Key of ${show("name", name, limiterResource(name))}`,
    active: "limiters",
    body: limiterKeyPage(content, context),
  });
}
