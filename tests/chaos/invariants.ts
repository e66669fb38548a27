/**
 * What must hold whatever was broken. The ledger says what ran, the tables say
 * what is known of it, and the two must tell one story.
 */
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import type { LedgerEntry } from "./ledger.ts";

/** What is looked at. */
export interface Evidence {
  readonly db: Database;
  readonly jobIds: ReadonlySet<JobId>;
  ledger(): LedgerEntry[];
}

export interface Checked {
  readonly executions: number;
  readonly fenced: number;
  readonly lost: number;
  readonly doubleOutcomes: number;
  readonly broken: readonly string[];
}

/** Culprits that a message names. */
const NAMED_MAX = 5;

export async function checkInvariants(evidence: Evidence): Promise<Checked> {
  const tables = await readTables(evidence.db);
  const ledger = evidence.ledger();
  const began = ledger.filter(({ what }) => what === "began");
  const fenced = began.filter((run) => tables.has(run, ["rescued", "lost"]));
  const lost = [...evidence.jobIds].filter((id) =>
    tables.places.get(id)?.join() !== "outcomes"
  );
  const broken = [
    ...culprits("has no outcome, or stands in two places", lost),
    ...culprits("ended twice", tables.endedTwice),
    ...culprits("is known to nobody who enqueued", strangers(evidence, tables)),
    ...culprits(
      "began, and nothing says what became of it",
      began.filter((run) => !tables.explains(run)).map(nameOf),
    ),
    ...culprits("has an outcome, and never ended", unproven(ledger, tables)),
    ...culprits(
      "has the outcome of a run that was fenced off",
      usurped(tables),
    ),
    ...culprits(
      "began after the job had ended",
      began.filter((run) =>
        run.attempt > (tables.outcomes.get(run.jobId) ?? Infinity)
      ).map(nameOf),
    ),
    ...culprits(
      "was given to two processes at once",
      givenTwice(began, tables),
    ),
  ];
  return {
    executions: began.length,
    fenced: fenced.length,
    lost: lost.length,
    doubleOutcomes: tables.endedTwice.length,
    broken,
  };
}

type RunName = Pick<LedgerEntry, "jobId" | "attempt">;

/** What the tables say. */
class Tables {
  /** Where each job stands. */
  readonly places = new Map<JobId, string[]>();
  /** The attempt that each outcome names. */
  readonly outcomes = new Map<JobId, number>();
  readonly completed = new Set<JobId>();
  /** Kinds of events of each run. */
  readonly events = new Map<string, string[]>();
  endedTwice: JobId[] = [];

  has(run: RunName, kinds: readonly string[]): boolean {
    return this.count(run, kinds) > 0;
  }

  count(run: RunName, kinds: readonly string[]): number {
    const events = this.events.get(nameOf(run)) ?? [];
    return events.filter((kind) => kinds.includes(kind)).length;
  }

  /** Whether it is known what became of a run. */
  explains(run: RunName): boolean {
    return this.outcomes.get(run.jobId) === run.attempt ||
      this.events.has(nameOf(run));
  }
}

async function readTables(db: Database): Promise<Tables> {
  const tables = new Tables();
  const places = await db.query<{ jobId: JobId; place: string }>(sql`
    select job_id::text as "jobId", 'outcomes' as place
    from yardmaster.outcomes
    union all
    select job_id::text, 'ready' from yardmaster.ready
    union all
    select job_id::text, 'limited' from yardmaster.limited
    union all
    select job_id::text, 'scheduled' from yardmaster.scheduled
    union all
    select unnest(job_ids)::text, 'leases' from yardmaster.leases
  `);
  for (const { jobId, place } of places) {
    tables.places.set(jobId, [...tables.places.get(jobId) ?? [], place]);
  }
  const outcomes = await db.query<
    { jobId: JobId; attempt: number; state: string }
  >(sql`
    select job_id::text as "jobId", attempt, state::text from yardmaster.outcomes
  `);
  for (const { jobId, attempt, state } of outcomes) {
    tables.outcomes.set(jobId, attempt);
    if (state === "completed") tables.completed.add(jobId);
  }
  const events = await db.query<RunName & { kind: string }>(sql`
    select job_id::text as "jobId", attempt, kind::text
    from yardmaster.attempt_events
  `);
  for (const event of events) {
    const name = nameOf(event);
    tables.events.set(name, [...tables.events.get(name) ?? [], event.kind]);
  }
  // A row that moves to the partition of its day leaves a mark like the first.
  const twice = await db.query<{ jobId: JobId }>(sql`
    select job_id::text as "jobId" from public.outcome_marks
    group by job_id
    having count(distinct (state, attempt, executor_id, finished_at)) > 1
  `);
  tables.endedTwice = twice.map(({ jobId }) => jobId);
  return tables;
}

function strangers(evidence: Evidence, { places }: Tables): JobId[] {
  return [...places.keys()].filter((id) => !evidence.jobIds.has(id));
}

/** The attempt that completed a job is one that came to its end. */
function unproven(ledger: readonly LedgerEntry[], tables: Tables): string[] {
  const ended = new Set(
    ledger.filter(({ what }) => what === "ended").map(nameOf),
  );
  return [...tables.completed]
    .map((jobId) => nameOf({ jobId, attempt: tables.outcomes.get(jobId) ?? 0 }))
    .filter((name) => !ended.has(name));
}

/** What was taken from a run, that run must not end. */
function usurped(tables: Tables): string[] {
  return [...tables.completed]
    .map((jobId) => ({ jobId, attempt: tables.outcomes.get(jobId) ?? 0 }))
    .filter((run) => tables.has(run, ["rescued", "lost"]))
    .map(nameOf);
}

/** An attempt begins once, and again only after it went back unburnt. */
function givenTwice(began: readonly LedgerEntry[], tables: Tables): string[] {
  const times = new Map<string, number>();
  for (const run of began) {
    times.set(nameOf(run), (times.get(nameOf(run)) ?? 0) + 1);
  }
  return began.filter((run) =>
    (times.get(nameOf(run)) ?? 0) >
      1 + tables.count(run, ["given_back", "snoozed"])
  ).map(nameOf);
}

function nameOf({ jobId, attempt }: RunName): string {
  return `attempt ${attempt} of ${jobId}`;
}

function culprits(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const named = [...new Set(names)].slice(0, NAMED_MAX).join(", ");
  return [`${names.length} ${what}: ${named}`];
}
