import type { Database } from "../db/database.ts";
import { CRON_AWAY_MS, planDue } from "../domain/cron_due.ts";
import {
  type CronExpression,
  parseCronExpression,
} from "../domain/cron_expression.ts";
import type { JobId } from "../domain/job.ts";
import { recordCoverage } from "../store/cron_coverage.ts";
import { fireCronEntry } from "../store/cron_fire.ts";
import { insertCronJobs } from "../store/cron_jobs.ts";
import {
  type CronPlanRow,
  holdCronEntry,
  listCronPlans,
  waitBriefly,
} from "../store/cron_plans.ts";
import {
  findFollowUp,
  listActiveCronJobs,
  settleFollowUp,
} from "../store/cron_slots.ts";
import { type Notice, sendNotice } from "../store/notices.ts";
import { type Clock, systemClock } from "./clock.ts";
import { dealTogether, dueInstants, unfired } from "./cron_allowed.ts";
import type { Service, ServicePass } from "./service.ts";

/** What a scheduler needs. */
export interface CronSchedulerOptions {
  readonly database: Database;
  /** The runtime's own when left out. */
  readonly clock?: Pick<Clock, "monotonicMs">;
  /**
   * Is told, after the commit, of queues with new work and of cancelled jobs;
   * sends a notice when left out.
   */
  readonly notify?: (notice: Notice) => unknown;
  /**
   * Is told when one entry can not be dealt with; the others are. An expression
   * that can not be read is told once, until it changes.
   */
  readonly onFault?: (entryName: string, error: unknown) => void;
}

const ENTRIES_MAX = 10_000;
/** An entry that is new, or was changed, is noticed within this. */
const SLEEP_MAX_MS = 5_000;
/** A follow-up starts at most so long after the job before it ended. */
const FOLLOW_UP_MS = 1_000;
/** Somebody else holds the entry; should they fail, it is our turn. */
const CONTESTED_MS = 250;
const FAULT_RETRY_MS = 1_000;
/** Coverage is written no more often, unless something fired. */
const COVERAGE_MS = 5_000;

/** What was done with one entry, and when to look at it again. */
interface Dealt {
  readonly fired: boolean;
  /** Null: only when its plan says so. */
  readonly againInMs: number | null;
}

const NOTHING: Dealt = { fired: false, againInMs: null };

interface KnownPlan {
  readonly key: string;
  /** Null: it can not be read. */
  readonly expression: CronExpression | null;
  /** The first fire after this instant is the next one. */
  readonly from: Date;
  readonly next: Date | null;
}

/**
 * Makes a scheduler: a service that fires cron entries when they are due.
 *
 * Any number of them share a database without a leader. Whoever holds the
 * entry's row deals with all its instants up to now, in one transaction with
 * the slots and the jobs; the others find it held and go on. What one leaves
 * undone, because it died, the next one finds: the entry says how far it is.
 *
 * A pass reads all plans in one statement. It sleeps until the next fire of any
 * of them, at most {@linkcode SLEEP_MAX_MS}.
 */
export function createCronScheduler(options: CronSchedulerOptions): Service {
  return new CronScheduler(options);
}

class CronScheduler implements Service {
  readonly name = "cron";
  readonly #options: CronSchedulerOptions;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #notify: (notice: Notice) => unknown;
  #known = new Map<string, KnownPlan>();
  #coveredAt: Date | null = null;

  constructor(options: CronSchedulerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#notify = options.notify ??
      ((notice) => sendNotice(options.database, notice));
  }

  async runOnce(): Promise<ServicePass> {
    const startedMs = this.#clock.monotonicMs();
    const plans = await listCronPlans(this.#options.database, {
      limit: ENTRIES_MAX,
    });
    const now = plans[0]?.now;
    this.#known = this.#read(plans);
    if (now === undefined) return { worked: false, nextInMs: SLEEP_MAX_MS };

    const together = await this.#dealTogether(plans);
    let fired = false;
    let sleepMs = SLEEP_MAX_MS;
    for (const plan of plans) {
      const dealt = together.get(plan.name) ?? await this.#attempt(plan);
      fired ||= dealt.fired;
      sleepMs = Math.min(
        sleepMs,
        dealt.againInMs ?? SLEEP_MAX_MS,
        this.#msToNext(plan),
      );
    }
    await this.#cover(now, fired);

    // The statement that read `now` was answered some time ago.
    const elapsedMs = this.#clock.monotonicMs() - startedMs;
    const nextInMs = Math.max(1, Math.ceil(sleepMs - elapsedMs));
    return { worked: fired, nextInMs };
  }

  /** Parses what is new; an entry that did not move keeps its next fire. */
  #read(plans: readonly CronPlanRow[]): Map<string, KnownPlan> {
    const known = new Map<string, KnownPlan>();
    for (const plan of plans) {
      const before = this.#known.get(plan.name);
      const key = JSON.stringify([plan.expression, plan.timezone]);
      const same = before?.key === key ? before : undefined;
      const expression = same ? same.expression : this.#parse(plan);
      const from = plan.evaluatedThrough;
      const next = same?.from.getTime() === from.getTime()
        ? same.next
        : expression?.next(from) ?? null;
      known.set(plan.name, { key, expression, from, next });
    }
    return known;
  }

  #parse({ name, expression, timezone }: CronPlanRow): CronExpression | null {
    const parsed = parseCronExpression(expression, timezone);
    if (parsed.ok) return parsed.expression;
    this.#options.onFault?.(name, new Error(parsed.message));
    return null;
  }

  #isDue({ name, now }: CronPlanRow): boolean {
    const next = this.#known.get(name)?.next ?? null;
    return next !== null && next <= now;
  }

  /** Those of which nothing is answered are dealt with one by one. */
  async #dealTogether(
    plans: readonly CronPlanRow[],
  ): Promise<ReadonlyMap<string, Dealt>> {
    const names = plans.filter((plan) =>
      plan.overlap === "allow" && !plan.unique && !plan.followUp &&
      this.#isDue(plan)
    ).map(({ name }) => name);
    const { database } = this.#options;
    const tell = (queues: readonly string[]) => this.#tell(queues, []);
    const done = await dealTogether(database, { names, tell });
    return new Map(
      [...done].map(([name, fired]) => [name, { ...NOTHING, fired }]),
    );
  }

  async #attempt(plan: CronPlanRow): Promise<Dealt> {
    const due = this.#isDue(plan);
    try {
      const followed = plan.followUp
        ? await this.#followUp(plan.name)
        : NOTHING;
      const dealt = due ? await this.#deal(plan.name) : NOTHING;
      return {
        fired: followed.fired || dealt.fired,
        againInMs: dealt.againInMs ?? followed.againInMs,
      };
    } catch (error) {
      this.#options.onFault?.(plan.name, error);
      return { fired: false, againInMs: FAULT_RETRY_MS };
    }
  }

  /** Deals with every instant of an entry up to now. */
  async #deal(name: string): Promise<Dealt> {
    const fired = await this.#options.database.transaction(async (tx) => {
      const entry = await holdCronEntry(tx, name);
      if (entry === null) return null;
      if (entry.uniqueness !== null) await waitBriefly(tx);
      const due = dueInstants(entry);
      const newest = due?.at(-1);
      if (due === null || newest === undefined) {
        return { queue: entry.queue, slots: [], cancelledIds: [] };
      }
      const plan = planDue({ ...entry, due });
      const done = await fireCronEntry(tx, {
        entry,
        kind: "scheduled",
        instants: plan.fire,
        unfired: unfired(plan),
        evaluatedThrough: newest,
      });
      return { ...done, queue: entry.queue };
    });
    if (fired === null) return { fired: false, againInMs: CONTESTED_MS };

    const claimed = fired.slots.some((slot) => slot.state === "claimed");
    const queued = fired.slots.some((slot) => slot.state === "queued");
    const woke = claimed || fired.slots.some((it) => it.reason === "overwrote");
    await this.#tell(woke ? [fired.queue] : [], fired.cancelledIds);
    return { fired: claimed, againInMs: queued ? FOLLOW_UP_MS : null };
  }

  /** Runs a follow-up whose turn has come: no job of its entry is active. */
  async #followUp(name: string): Promise<Dealt> {
    const queue = await this.#options.database.transaction(async (tx) => {
      const entry = await holdCronEntry(tx, name);
      const slot = entry && await findFollowUp(tx, name);
      if (!slot) return null;
      if (entry.uniqueness !== null) await waitBriefly(tx);
      const active = await listActiveCronJobs(tx, {
        name,
        fromId: entry.activeFromId,
      });
      if (active.length > 0) return null;

      // The turn of a planned instant comes now, and now the entry is paused.
      const paused = entry.pausedAt !== null && slot.kind === "scheduled";
      const settled = { name, ...slot, jobId: null, blockedById: null };
      if (paused) {
        await settleFollowUp(tx, { ...settled, state: "paused", reason: null });
        return null;
      }
      const [answer] = await insertCronJobs(tx, [{ entry, facts: slot }]);
      // Its turn has come and a limiter says no: it stays the next one.
      if (answer === undefined || answer.reason === "limited") return null;
      const { jobId, reason } = answer;
      await settleFollowUp(tx, {
        ...settled,
        state: jobId === null ? "skipped" : "claimed",
        jobId,
        blockedById: jobId === null ? answer.holderId : null,
        reason,
      });
      return reason === "key_held" ? null : entry.queue;
    });
    if (queue === null) return { fired: false, againInMs: FOLLOW_UP_MS };
    await this.#tell([queue], []);
    return { fired: true, againInMs: null };
  }

  /** A hint that is lost costs a moment: runners look by themselves. */
  async #tell(
    queues: readonly string[],
    cancelledIds: readonly JobId[],
  ): Promise<void> {
    try {
      if (cancelledIds.length > 0) {
        await this.#notify({ t: "cancelled", ids: cancelledIds });
      }
      if (queues.length > 0) {
        await this.#notify({ t: "ready", q: queues });
      }
    } catch {
      // What is committed stays so.
    }
  }

  async #cover(now: Date, fired: boolean): Promise<void> {
    const sinceMs = this.#coveredAt === null
      ? Number.POSITIVE_INFINITY
      : Math.abs(now.getTime() - this.#coveredAt.getTime());
    if (!fired && sinceMs < COVERAGE_MS) return;
    await recordCoverage(this.#options.database, {
      at: now,
      gapMs: CRON_AWAY_MS,
    });
    this.#coveredAt = now;
  }

  #msToNext({ name, now }: CronPlanRow): number {
    const known = this.#known.get(name);
    const next = known?.next != null && known.next <= now
      ? known.expression?.next(now)
      : known?.next;
    // A millisecond more: a timer that is early would find nothing due.
    return next == null ? SLEEP_MAX_MS : next.getTime() - now.getTime() + 1;
  }
}
