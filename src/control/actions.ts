import type { Database } from "../db/database.ts";
import type { Action } from "../domain/action.ts";
import type { Params } from "../domain/preview.ts";
import { CRON_PLANS } from "./cron.ts";
import { JOB_PLANS } from "./jobs.ts";
import type { Plan, Planned } from "./plan.ts";
import { parseLimit, QUEUE_PLANS } from "./queues.ts";
import { type Refused, refused } from "./refusal.ts";

const PLANS: Readonly<Record<Action, Plan>> = {
  ...CRON_PLANS,
  ...QUEUE_PLANS,
  ...JOB_PLANS,
};

/** Plans any action. */
export function planAction(
  tx: Database,
  { action, targetId, params }: {
    readonly action: Action;
    readonly targetId: string;
    readonly params: Params;
  },
): Promise<Planned | null> {
  return PLANS[action](tx, { targetId, params });
}

/** Reads what an action was asked for beyond its target. */
export function parseParams(
  action: Action,
  params: unknown,
): { readonly ok: true; readonly params: Params } | Refused {
  const given = params ?? {};
  if (typeof given !== "object" || Array.isArray(given)) {
    return refused("invalid_input", { message: "Params must be an object." });
  }
  const allowed = action === "scale_queue" ? ["limit"] : [];
  if (Object.keys(given).some((name) => !allowed.includes(name))) {
    return refused("invalid_input", {
      message: action === "scale_queue"
        ? "This action takes a limit and no other parameter."
        : "This action takes no parameters.",
    });
  }
  return action === "scale_queue"
    ? parseLimit((given as Readonly<Record<string, unknown>>).limit)
    : { ok: true, params: {} };
}
