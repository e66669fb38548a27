import type { Database } from "../db/database.ts";
import type { Snapshot } from "../domain/preview.ts";
import type { Principal } from "../seams.ts";
import {
  lockCronEntry,
  pauseCronEntry,
  resumeCronEntry,
  runCronEntryNow,
} from "../store/cron.ts";
import type { Acted, Outlook, Plan } from "./plan.ts";
import { refused } from "./refusal.ts";

type LockedEntry = NonNullable<Awaited<ReturnType<typeof lockCronEntry>>>;

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
      ? would(`Pause cron entry ${name}`, { ...before, paused: true })
      : refused("wrong_state", {
        message: "The cron entry is already paused.",
        legalNextSteps: ["resume_cron_entry", "run_cron_entry", "reload"],
      }),
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
      ? would(`Resume cron entry ${name}`, after)
      : refused("wrong_state", {
        message: "The cron entry is not paused.",
        legalNextSteps: ["pause_cron_entry", "run_cron_entry", "reload"],
      }),
    async act() {
      return done(await resumeCronEntry(tx, { name }));
    },
  };
}
