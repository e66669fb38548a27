import type { Database } from "../db/database.ts";
import {
  type CronExpression,
  nextFires,
  parseCronExpression,
} from "../domain/cron_expression.ts";
import {
  classifySlots,
  type CoverageSpan,
  type CronHistoryItem,
  type CronSlotFacts,
  diagnoseCron,
  historyCompleteness,
} from "../domain/cron_slot.ts";
import type { DiagnosisCode } from "../domain/diagnosis.ts";
import type { Completeness } from "../domain/evidence.ts";
import type { JobId } from "../domain/job.ts";
import type { CronEntry } from "../store/cron.ts";
import { listCoverage } from "../store/cron_coverage.ts";
import {
  listSlotJobs,
  listSlotsOfEntries,
  type SlotJob,
} from "../store/cron_evidence.ts";
import { readHorizons } from "../store/evidence.ts";

/** What is known about one cron entry, read once for pages and forensics. */
export interface CronReading {
  readonly entry: CronEntry;
  /** Null: the stored expression can not be read, and `fault` says why. */
  readonly expression: CronExpression | null;
  readonly fault: string | null;
  /** What became of its instants, oldest first. */
  readonly items: readonly CronHistoryItem[];
  readonly coverage: readonly CoverageSpan[];
  /** Where the jobs stand that it became; those no longer kept are not in it. */
  readonly jobs: ReadonlyMap<JobId, SlotJob>;
  readonly diagnosis: DiagnosisCode;
  /** Of the items. */
  readonly completeness: Completeness;
  readonly next: readonly Date[];
  /** From before this instant nothing is kept; null: nothing of it was let go. */
  readonly keptFrom: Date | null;
  readonly now: Date;
}

/** How much of the past and of the future to read. */
export interface CronReadingOptions {
  readonly now: Date;
  /** Items of history for each entry. */
  readonly history: number;
  readonly next: number;
  /** Only instants before this one. What stands now is then not looked at. */
  readonly before?: Date | null;
}

/** Reads entries with their history: four statements, however many they are. */
export async function readCronEntries(
  db: Database,
  entries: readonly CronEntry[],
  options: CronReadingOptions,
): Promise<CronReading[]> {
  if (entries.length === 0) return [];
  const names = entries.map((entry) => entry.name);
  const slots = await listSlotsOfEntries(db, {
    names,
    limit: options.history,
    before: options.before ?? null,
  });
  const { history: keptFrom } = await readHorizons(db);
  const since = keptFrom ?? new Date(0);
  const coverage = await listCoverage(db, { since });
  const ids = slots.flatMap(({ jobId }) => jobId === null ? [] : [jobId]);
  const standing = await listSlotJobs(db, ids);
  const jobs = new Map(standing.map((job) => [job.jobId, job]));
  return entries.map((entry) => {
    const own = slots.filter((slot) => slot.entryName === entry.name);
    return reading(entry, { slots: own, coverage, jobs, keptFrom, options });
  });
}

function reading(
  entry: CronEntry,
  { slots, coverage, jobs, keptFrom, options }: {
    readonly slots: readonly CronSlotFacts[];
    readonly coverage: readonly CoverageSpan[];
    readonly jobs: ReadonlyMap<JobId, SlotJob>;
    readonly keptFrom: Date | null;
    readonly options: CronReadingOptions;
  },
): CronReading {
  const { now, history, before = null } = options;
  const parsed = parseCronExpression(entry.expression, entry.timezone);
  // What was let go before it was declared is nothing of its history.
  const since = keptFrom !== null && keptFrom > entry.insertedAt
    ? keptFrom
    : null;
  const expression = parsed.ok ? parsed.expression : null;
  const items = classifySlots({
    entry,
    expression,
    slots,
    coverage,
    after: since ?? new Date(0),
    // The window ends just before `before`, as if it were seen from there.
    now: before === null ? now : new Date(before.getTime() - 1),
    ...before === null ? {} : { onTimeMs: 0 },
    limit: history,
  });
  const stands = diagnoseCron(entry, { items, readable: parsed.ok });
  const idle = entry.retiredAt !== null || entry.pausedAt !== null;
  return {
    entry,
    expression,
    fault: parsed.ok ? null : parsed.message,
    items,
    coverage,
    jobs,
    diagnosis: stands === "cron_ready" && lastFailed(items, jobs)
      ? "cron_failed"
      : stands,
    completeness: nothingYet(entry, { items, expression, coverage, since })
      ? "complete"
      : historyCompleteness(items),
    next: expression === null || idle
      ? []
      : nextFires(expression, { after: now, count: options.next }),
    keptFrom: since,
    now,
  };
}

/**
 * Its plan has asked for no instant since it was declared. Of a plan before that
 * only somebody who looked knows what it asked for.
 */
function nothingYet(
  { insertedAt, planSince }: CronEntry,
  { items, expression, coverage, since }: {
    readonly items: readonly CronHistoryItem[];
    readonly expression: CronExpression | null;
    readonly coverage: readonly CoverageSpan[];
    readonly since: Date | null;
  },
): boolean {
  if (items.length > 0 || since !== null || expression === null) return false;
  const looked = coverage.some(({ throughAt }) => throughAt >= insertedAt);
  return planSince <= insertedAt || looked;
}

/** The newest instant that became a job, and where that job stands. */
export function lastRun(
  items: readonly CronHistoryItem[],
  jobs: ReadonlyMap<JobId, SlotJob>,
): { readonly item: CronHistoryItem; readonly job: SlotJob | null } | null {
  const item = items.findLast(({ slot }) => (slot?.jobId ?? null) !== null);
  const id = item?.slot?.jobId ?? null;
  if (item === undefined || id === null) return null;
  return { item, job: jobs.get(id) ?? null };
}

function lastFailed(
  items: readonly CronHistoryItem[],
  jobs: ReadonlyMap<JobId, SlotJob>,
): boolean {
  return lastRun(items, jobs)?.job?.state === "discarded";
}
