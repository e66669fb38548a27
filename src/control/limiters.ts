import type { Database } from "../db/database.ts";
import { isStorableText } from "../domain/storable.ts";
import { LIMITER_BOUNDS } from "../domain/limiter.ts";
import type { ActionParams, Snapshot } from "../domain/preview.ts";
import type { Principal } from "../seams.ts";
import {
  clearLimiterCooldown,
  coolDownLimiter,
} from "../store/limiter_cooldowns.ts";
import {
  findPartitionCooldown,
  type LimiterRow,
  lockLimiter,
  type PartitionCooldown,
  scaleLimiter,
} from "../store/limiters.ts";
import type { Outlook, Plan } from "./plan.ts";
import { type Refused, refused } from "./refusal.ts";

/** What can be done to a limiter. */
export type LimiterAction =
  | "cool_down_limiter"
  | "clear_limiter_cooldown"
  | "scale_limiter";

/** The plans of what can be done to a limiter. */
export const LIMITER_PLANS: Readonly<Record<LimiterAction, Plan>> = {
  cool_down_limiter: planCoolDown,
  clear_limiter_cooldown: planClear,
  scale_limiter: planScale,
};

/** The largest capacity of each kind; the tables hold no larger one. */
function capacityMax({ kind }: LimiterRow): number {
  const { concurrencyMax, rateCapacityMax } = LIMITER_BOUNDS;
  return kind === "concurrency" ? concurrencyMax : rateCapacityMax;
}

interface Asked {
  readonly targetId: string;
  readonly params: ActionParams;
}

interface Target {
  readonly limiter: LimiterRow;
  readonly key: string | null;
  readonly cooldown: PartitionCooldown | null;
}

async function lockTarget(
  tx: Database,
  { targetId, params }: Asked,
): Promise<Target | null> {
  const limiter = await lockLimiter(tx, targetId);
  if (limiter === null) return null;
  const key = typeof params.key === "string" ? params.key : null;
  const { cooldownUntil: until, cooldownReason, cooldownBy } = limiter;
  const cooldown = key !== null
    ? await findPartitionCooldown(tx, { limiter: limiter.name, key })
    : until === null
    ? null
    : { until, reason: cooldownReason ?? "", by: cooldownBy ?? "" };
  return { limiter, key, cooldown };
}

async function planCoolDown(tx: Database, asked: Asked) {
  const target = await lockTarget(tx, asked);
  if (target === null) return null;
  const forMs = Number(asked.params.forMs);
  const before = snapshot(target);
  const isKeyed = target.key === null || target.limiter.partitionBy !== null;
  return {
    facts: target,
    before,
    outlook: isKeyed
      ? would(`Cool down ${nameOf(target)} for ${span(forMs)}`, {
        ...before,
        coolsDown: true,
        coolsDownFor: span(forMs),
      })
      : noKeys(),
    async act(principal: Principal, reason: string | null) {
      const { limiter, key } = target;
      const until = await coolDownLimiter(tx, {
        limiter: limiter.name,
        key,
        forMs,
        reason: reason ?? "",
        by: principal.id,
        extendsOnly: false,
      });
      if (until === null) return null;
      const cooldown = { until, reason: reason ?? "", by: principal.id };
      return {
        after: snapshot({ ...target, cooldown }),
        result: { until: until.toISOString() },
        notices: [],
      };
    },
  };
}

async function planClear(tx: Database, asked: Asked) {
  const target = await lockTarget(tx, asked);
  if (target === null) return null;
  const before = snapshot(target);
  return {
    facts: target,
    before,
    outlook: target.cooldown !== null
      ? would(
        `End the cooldown of ${nameOf(target)}`,
        snapshot({ ...target, cooldown: null }),
      )
      : refused("wrong_state", {
        message: "It does not cool down.",
        legalNextSteps: ["cool_down_limiter", "reload"],
      }),
    async act(principal: Principal) {
      const { limiter, key } = target;
      const done = await clearLimiterCooldown(tx, {
        limiter: limiter.name,
        key,
        by: principal.id,
      });
      if (!done) return null;
      const after = snapshot({ ...target, cooldown: null });
      return { after, result: {}, notices: ready() };
    },
  };
}

async function planScale(tx: Database, asked: Asked) {
  const target = await lockTarget(tx, { ...asked, params: {} });
  if (target === null) return null;
  const { limiter } = target;
  const { capacity: wanted } = asked.params;
  const capacity = typeof wanted === "number" ? wanted : null;
  const before = snapshot(target);
  const summary = capacity === null
    ? `Give limiter ${limiter.name} the capacity that code declares`
    : `Give limiter ${limiter.name} a capacity of ${capacity}`;
  const after = {
    ...before,
    capacity: capacity ?? limiter.declaredCapacity,
    chosenCapacity: capacity,
  };
  return {
    facts: limiter,
    before,
    outlook: scaleOutlook(limiter, { capacity, summary, after }),
    async act(principal: Principal) {
      const row = await scaleLimiter(tx, {
        name: limiter.name,
        capacity,
        principal: principal.id,
      });
      if (row === null) return null;
      return {
        after: snapshot({ ...target, limiter: row }),
        result: {},
        notices: ready(),
      };
    },
  };
}

function scaleOutlook(
  limiter: LimiterRow,
  { capacity, summary, after }: {
    readonly capacity: number | null;
    readonly summary: string;
    readonly after: Snapshot;
  },
): Outlook {
  if (capacity !== null && capacity > capacityMax(limiter)) {
    return refused("wrong_state", {
      message: `The capacity is ${capacityMax(limiter)} at most.`,
      legalNextSteps: ["scale_limiter"],
    });
  }
  return capacity !== limiter.chosenCapacity
    ? would(summary, after)
    : refused("wrong_state", {
      message: "The limiter has this capacity already.",
      legalNextSteps: ["scale_limiter", "reload"],
    });
}

/** Reads what an action on a limiter was asked for, also as the text of forms. */
export function parseLimiterParams(
  action: LimiterAction,
  given: Readonly<Record<string, unknown>>,
): { readonly ok: true; readonly params: ActionParams } | Refused {
  if (action === "scale_limiter") {
    const { rateCapacityMax: most } = LIMITER_BOUNDS;
    const capacity = given.capacity === null || given.capacity === ""
      ? null
      : wholeOf(given.capacity);
    return capacity === null || (capacity >= 1 && capacity <= most)
      ? { ok: true, params: { capacity } }
      : refused("invalid_input", {
        message: "The capacity must be a whole number from 1 to 1000000, or " +
          "empty for the one that code declares.",
      });
  }
  const key = given.key === undefined || given.key === "" ? null : given.key;
  if (key !== null && (typeof key !== "string" || !isStorableText(key))) {
    return refused("invalid_input", { message: "The key must be text." });
  }
  if (action === "clear_limiter_cooldown") {
    return { ok: true, params: { key } };
  }
  const forMs = wholeOf(given.forMs);
  const { cooldownMsMax } = LIMITER_BOUNDS;
  return forMs >= 1 && forMs <= cooldownMsMax
    ? { ok: true, params: { key, forMs } }
    : refused("invalid_input", {
      message: "forMs must be whole milliseconds, from 1 to 31 days.",
    });
}

/** A whole number, or one as text; 0 for anything else. */
function wholeOf(value: unknown): number {
  const number = typeof value === "string" && /^\s*\d{1,12}\s*$/.test(value)
    ? Number(value)
    : value;
  return Number.isInteger(number) ? Number(number) : 0;
}

function snapshot({ limiter, key, cooldown }: Target): Snapshot {
  return {
    name: limiter.name,
    ...(key !== null && { key }),
    capacity: limiter.chosenCapacity ?? limiter.declaredCapacity,
    declaredCapacity: limiter.declaredCapacity,
    chosenCapacity: limiter.chosenCapacity,
    coolsDown: cooldown !== null,
    cooldownUntil: cooldown?.until.toISOString() ?? null,
    cooldownReason: cooldown?.reason ?? null,
    cooldownBy: cooldown?.by ?? null,
  };
}

function nameOf({ limiter, key }: Target): string {
  return key === null
    ? `limiter ${limiter.name}`
    : `key ${key} of limiter ${limiter.name}`;
}

function span(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000} s` : `${ms} ms`;
}

function noKeys(): Refused {
  return refused("wrong_state", {
    message: "The limiter has no keys: it is one for all.",
    legalNextSteps: ["cool_down_limiter"],
  });
}

function would(summary: string, after: Snapshot): Outlook {
  return { ok: true, after, summary };
}

/** Jobs may start: every queue looks. */
function ready() {
  return [{ t: "ready", q: [] }] as const;
}
