import type { Database } from "../db/database.ts";
import { CRON_DUE_MAX, type DuePlan, planDue } from "../domain/cron_due.ts";
import {
  lastFiresBetween,
  parseCronExpression,
} from "../domain/cron_expression.ts";
import type { HeldCronEntry } from "../store/cron.ts";
import {
  type AllowedFiring,
  fireAllowedEntries,
  holdAllowedEntries,
} from "../store/cron_allowed.ts";
import type { NewCronSlot } from "../store/cron_slots.ts";

/** Entries of one transaction: if it fails, they are dealt with one by one. */
const TOGETHER_MAX = 200;
/** Slots of one transaction; an entry with more to catch up waits its turn. */
const SLOTS_MAX = 5_000;

/**
 * Deals with every instant up to now of entries whose overlap policy is `allow`
 * and whose jobs are not unique: they never look at other jobs, so many share a
 * transaction.
 *
 * What somebody else holds, what has much to catch up, what can not be read, and
 * what shared a transaction in which something failed are in no answer: they are
 * to be dealt with one by one, where a fault is told with the name of its entry.
 *
 * @param entries.tell Is called after each commit, with the queues that have new
 * jobs.
 * @returns Of each entry that was dealt with, whether a job was made.
 */
export async function dealTogether(
  database: Database,
  { names, tell }: {
    readonly names: readonly string[];
    readonly tell: (queues: readonly string[]) => Promise<void>;
  },
): Promise<ReadonlyMap<string, boolean>> {
  const answers = new Map<string, boolean>();
  // One alone is dealt with as quickly by itself.
  for (let from = 0; from < names.length - 1; from += TOGETHER_MAX) {
    const some = names.slice(from, from + TOGETHER_MAX);
    try {
      const { dealt, ran } = await dealWithAllowed(database, some);
      for (const name of dealt) answers.set(name, false);
      for (const { name } of ran) answers.set(name, true);
      await tell([...new Set(ran.map(({ queue }) => queue))]);
    } catch {
      // One of them can not be dealt with, and will say so by itself.
    }
  }
  return answers;
}

interface Dealt {
  readonly dealt: readonly string[];
  /** Those of which a job was made. */
  readonly ran: readonly HeldCronEntry[];
}

async function dealWithAllowed(
  database: Database,
  names: readonly string[],
): Promise<Dealt> {
  return await database.transaction(async (tx) => {
    const firings: AllowedFiring[] = [];
    const dealt: string[] = [];
    let slots = 0;
    for (const entry of await holdAllowedEntries(tx, names)) {
      const due = dueInstants(entry);
      if (due === null) continue;
      const plan = planDue({ ...entry, due });
      const traces = unfired(plan);
      slots += plan.fire.length + traces.length;
      if (slots > SLOTS_MAX) break;
      dealt.push(entry.name);
      const newest = due.at(-1);
      if (newest === undefined) continue;
      firings.push({
        entry,
        fire: plan.fire,
        unfired: traces,
        evaluatedThrough: newest,
      });
    }
    const fired = await fireAllowedEntries(tx, firings);
    const ran = fired.filter(({ slots }) =>
      slots.some(({ state }) => state === "claimed")
    ).map(({ entry }) => entry);
    return { dealt, ran };
  });
}

/** Null: its expression can not be read. */
export function dueInstants(entry: HeldCronEntry): Date[] | null {
  const parsed = parseCronExpression(entry.expression, entry.timezone);
  if (!parsed.ok) return null;
  return lastFiresBetween(parsed.expression, {
    after: entry.evaluatedThrough,
    through: entry.now,
    limit: CRON_DUE_MAX,
  });
}

/** The slots of instants that do not fire. */
export function unfired({ paused, missed }: DuePlan): NewCronSlot[] {
  return [
    ...missed.map((plannedAt) => trace(plannedAt, "missed")),
    ...paused.map((plannedAt) => trace(plannedAt, "paused")),
  ];
}

function trace(plannedAt: Date, state: "missed" | "paused"): NewCronSlot {
  return { plannedAt, state, jobId: null, blockedById: null, reason: null };
}
