import type { Database } from "../db/database.ts";
import type { Snapshot } from "../domain/preview.ts";
import type { Principal } from "../seams.ts";
import {
  type CronEntry,
  type CronRunNow,
  lockCronEntry,
  pauseCronEntry,
  resumeCronEntry,
  runCronEntryNow,
} from "../store/cron.ts";
import type { Notice } from "./control.ts";
import type { Acted, Outlook, Plan } from "./plan.ts";
import { type RefusalStep, refused } from "./refusal.ts";

/** The plans of what can be done to a cron entry. */
export const CRON_PLANS: Readonly<
  Record<"pause_cron_entry" | "resume_cron_entry" | "run_cron_entry", Plan>
> = {
  pause_cron_entry: planPause,
  resume_cron_entry: planResume,
  run_cron_entry: planRunNow,
};

async function planPause(tx: Database, { targetId }: { targetId: string }) {
  const entry = await lockCronEntry(tx, targetId);
  if (entry === null) return null;
  const { name } = entry;
  const before = snapshot(entry);
  return {
    facts: facts(entry),
    before,
    outlook: entry.pausedAt === null
      ? would(entry, "Pause", { ...before, paused: true })
      : wrongState("The cron entry is already paused.", "resume_cron_entry"),
    async act(principal: Principal) {
      return done(await pauseCronEntry(tx, { name, principal: principal.id }));
    },
  };
}

async function planResume(tx: Database, { targetId }: { targetId: string }) {
  const entry = await lockCronEntry(tx, targetId);
  if (entry === null) return null;
  const { name } = entry;
  const before = snapshot(entry);
  const after = { ...before, paused: false, pausedAt: null, pausedBy: null };
  return {
    facts: facts(entry),
    before,
    outlook: entry.pausedAt !== null
      ? would(entry, "Resume", after)
      : wrongState("The cron entry is not paused.", "pause_cron_entry"),
    async act() {
      return done(await resumeCronEntry(tx, { name }));
    },
  };
}

async function planRunNow(tx: Database, { targetId }: { targetId: string }) {
  const entry = await lockCronEntry(tx, targetId);
  if (entry === null) return null;
  const { name } = entry;
  const before = snapshot(entry);
  return {
    facts: facts(entry),
    before,
    // What its overlap policy decides is known when it runs, and told then.
    outlook: would(entry, "Run", before),
    async act(principal: Principal): Promise<Acted | null> {
      const run = await runCronEntryNow(tx, { name, principal: principal.id });
      if (run === null) return null;
      const { decision, reason, jobId, blockedById } = run;
      return {
        after: before,
        result: { decision, reason, jobId, blockedById },
        notices: noticesOf(run),
      };
    },
  };
}

/** The whole definition and what stops it; not what its own runs move. */
function facts(entry: CronEntry): unknown {
  const {
    lastRunAt: _lastRunAt,
    evaluatedThrough: _evaluatedThrough,
    activeFromId: _activeFromId,
    // A definition that was written again and is the same is no drift.
    updatedAt: _updatedAt,
    ...definition
  } = entry;
  return definition;
}

/** No args and no meta: a snapshot goes into the audit for good. */
function snapshot(entry: CronEntry): Snapshot {
  return {
    name: entry.name,
    paused: entry.pausedAt !== null,
    pausedAt: entry.pausedAt?.toISOString() ?? null,
    pausedBy: entry.pausedBy,
    source: entry.source,
    worker: entry.worker,
    queue: entry.queue,
    expression: entry.expression,
    timezone: entry.timezone,
    overlap: entry.overlap,
    catchUp: entry.catchUp,
    retiredAt: entry.retiredAt?.toISOString() ?? null,
  };
}

function would(entry: CronEntry, verb: string, after: Snapshot): Outlook {
  if (entry.retiredAt !== null) {
    return refused("wrong_state", {
      message: "Code no longer declares this cron entry: it fires no more.",
    });
  }
  return { ok: true, after, summary: `${verb} cron entry ${entry.name}` };
}

function wrongState(message: string, instead: RefusalStep): Outlook {
  const legalNextSteps = [instead, "run_cron_entry", "reload"] as const;
  return refused("wrong_state", { message, legalNextSteps });
}

function done(entry: CronEntry | null): Acted | null {
  if (entry === null) return null;
  return { after: snapshot(entry), result: {}, notices: [] };
}

function noticesOf(
  { jobId, reason, cancelledIds, queue }: CronRunNow,
): Notice[] {
  const notices: Notice[] = [];
  // What it overwrote may be due now.
  const isNews = jobId !== null || reason === "overwrote";
  if (isNews) notices.push({ t: "ready", q: [queue] });
  if (cancelledIds.length > 0) {
    notices.push({ t: "cancelled", ids: cancelledIds });
  }
  return notices;
}
