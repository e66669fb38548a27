import type { Database } from "../db/database.ts";
import type { Action } from "../domain/action.ts";
import type { ActionParams } from "../domain/preview.ts";
import { CRON_PLANS } from "./cron.ts";
import { JOB_PLANS } from "./jobs.ts";
import {
  LIMITER_PLANS,
  type LimiterAction,
  parseLimiterParams,
} from "./limiters.ts";
import type { Plan, Planned } from "./plan.ts";
import { parseLimit, QUEUE_PLANS } from "./queues.ts";
import { type Refused, refused } from "./refusal.ts";

const PLANS: Readonly<Record<Action, Plan>> = {
  ...CRON_PLANS,
  ...QUEUE_PLANS,
  ...JOB_PLANS,
  ...LIMITER_PLANS,
};

/** Plans any action. */
export function planAction(
  tx: Database,
  { action, targetId, params }: {
    readonly action: Action;
    readonly targetId: string;
    readonly params: ActionParams;
  },
): Promise<Planned | null> {
  return PLANS[action](tx, { targetId, params });
}

/** Reads what an action was asked for beyond its target. */
export function parseParams(
  action: Action,
  params: unknown,
): { readonly ok: true; readonly params: ActionParams } | Refused {
  const given = params ?? {};
  if (typeof given !== "object" || Array.isArray(given)) {
    return refused("invalid_input", { message: "Params must be an object." });
  }
  const allowed: readonly string[] = PARAMS[action] ?? [];
  if (Object.keys(given).some((name) => !allowed.includes(name))) {
    return refused("invalid_input", {
      message: allowed.length === 0
        ? "This action takes no parameters."
        : `This action takes ${allowed.join(" and ")}, and no other parameter.`,
    });
  }
  const named = given as Readonly<Record<string, unknown>>;
  if (action === "scale_queue") return parseLimit(named.limit);
  return isLimiterAction(action)
    ? parseLimiterParams(action, named)
    : { ok: true, params: {} };
}

/** What an action can be asked for beyond its target. */
const PARAMS: Partial<Record<Action, readonly string[]>> = {
  scale_queue: ["limit"],
  cool_down_limiter: ["forMs", "key"],
  clear_limiter_cooldown: ["key"],
  scale_limiter: ["capacity"],
};

function isLimiterAction(action: Action): action is LimiterAction {
  return Object.hasOwn(LIMITER_PLANS, action);
}
