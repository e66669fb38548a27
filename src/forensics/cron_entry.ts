import type { Database } from "../db/database.ts";
import type { Action } from "../domain/action.ts";
import type {
  CautionCode,
  PrerequisiteCode,
  PrerequisiteState,
} from "../domain/runbook.ts";
import { type Sentence, sentence } from "../domain/sentence.ts";
import type { ResourceRef } from "../seams.ts";
import { findCronEntry } from "../store/cron.ts";
import { readHorizons } from "../store/evidence.ts";
import {
  type Bundle,
  bundle,
  type Collected,
  type Diagnosis,
  type LinkedResource,
  type RelatedEvidence,
} from "./bundle.ts";
import { type ControlTrail, controlTrail } from "./control_trail.ts";
import { cronChronology } from "./cron_chronology.ts";
import { type CronReading, lastRun, readCronEntries } from "./cron_history.ts";

/** Instants that a bundle looks back on. */
const HISTORY = 96;

/** Everything about one cron entry; null if there is no record of it. */
export async function collectCronEntry(
  db: Database,
  subject: ResourceRef,
): Promise<Bundle | null> {
  const entry = await findCronEntry(db, subject.id);
  if (entry === null) return null;
  const horizons = await readHorizons(db);
  const [reading] = await readCronEntries(db, [entry], {
    now: horizons.now,
    history: HISTORY,
    next: 1,
  });
  if (reading === undefined) return null;
  const trail = await controlTrail(db, {
    resource: subject,
    since: entry.insertedAt,
    horizons,
  });
  return bundle({
    subject: { ...subject, resource: subject, label: null },
    seenAt: horizons.now,
    diagnosis: {
      code: reading.diagnosis,
      detail: detailOf(reading),
      provenance: provenanceOf(reading),
    },
    continuity: trail.continuity,
    chronology: [...cronChronology(reading), ...trail.chronology],
    related: relatedOf(reading),
    linked: linkedOf(reading),
    sources: [...cronSources(reading), ...trail.sources],
    runbook: runbookOf(reading, { subject, trail }),
  });
}

function provenanceOf({ diagnosis }: CronReading): Diagnosis["provenance"] {
  return diagnosis === "cron_unseen"
    ? "missing"
    : diagnosis === "cron_missed"
    ? "supporting"
    : "durable";
}

function detailOf(reading: CronReading): Sentence {
  const { entry, items, next, now, fault } = reading;
  const newest = items.findLast((item) => item.class !== "manual_run");
  const upcoming = next[0];
  const then = upcoming === undefined
    ? sentence``
    : sentence` The next fire is planned ${upcoming}.`;
  switch (reading.diagnosis) {
    case "cron_malformed":
      return sentence`${{ kind: "name", value: fault }}`;
    case "cron_retired":
      return sentence`It was last declared ${entry.retiredAt ?? now}.`;
    case "cron_paused": {
      const by = { kind: "actor", value: entry.pausedBy } as const;
      return sentence`Paused ${entry.pausedAt ?? now} by ${by}.`;
    }
    case "cron_new":
      return sentence`No planned instant of it has come.${then}`;
    case "cron_failed":
      return sentence`The job that it became ${
        lastRun(items, reading.jobs)?.item.plannedAt ?? now
      } was discarded.${then}`;
    default:
      return newest === undefined
        ? sentence`No planned instant of it is kept.${then}`
        : sentence`Its newest planned instant was ${newest.plannedAt}.${then}`;
  }
}

const OVERLAPS = {
  allow: sentence`Overlap: Allow.`,
  skip: sentence`Overlap: Skip.`,
  queue_one: sentence`Overlap: Queue One.`,
  cancel_previous: sentence`Overlap: Cancel Previous.`,
} as const;
const CATCH_UPS = {
  none: sentence`Catch-up: None.`,
  latest: sentence`Catch-up: Latest Only.`,
  all: sentence`Catch-up: All.`,
} as const;

function relatedOf(reading: CronReading): readonly RelatedEvidence[] {
  const { entry, items, coverage } = reading;
  const related: RelatedEvidence[] = [{
    title: sentence`Plan`,
    summary: sentence`${{ kind: "name", value: entry.expression }} in zone ${{
      kind: "name",
      value: entry.timezone,
    }}`,
    provenance: "durable",
  }, {
    title: sentence`Policies`,
    summary: sentence`${OVERLAPS[entry.overlap]} ${CATCH_UPS[entry.catchUp]}`,
    provenance: "durable",
  }, {
    title: sentence`History`,
    summary: items.length === 0
      ? sentence`No planned instant is on record.`
      : sentence`The newest ${items.length} instants were looked at.`,
    provenance: items.length === 0 ? "missing" : "durable",
  }];
  const span = coverage.at(-1);
  related.push({
    title: sentence`Scheduler coverage`,
    summary: span === undefined
      ? sentence`No scheduler has ever recorded that it looked.`
      : sentence`A scheduler last looked ${span.throughAt}, and without a gap since ${span.fromAt}.`,
    provenance: span === undefined ? "missing" : "durable",
  });
  return related;
}

function linkedOf(
  { entry, items, jobs }: CronReading,
): readonly LinkedResource[] {
  const linked: LinkedResource[] = [{
    relation: sentence`The queue of its jobs`,
    resource: { type: "queue", id: entry.queue },
  }];
  const run = lastRun(items, jobs)?.item.slot?.jobId ?? null;
  if (run !== null) {
    linked.push({
      relation: sentence`The job it became last`,
      resource: { type: "job", id: run },
    });
  }
  const blocking = blockingJob(items);
  if (blocking !== null && blocking.id !== run) {
    linked.push({
      relation: blocking.isHolder
        ? sentence`The job that held its unique key`
        : sentence`The job that was in its way`,
      resource: { type: "job", id: blocking.id },
    });
  }
  return linked;
}

interface Blocking {
  readonly id: string;
  /** It held the unique key, and need not be a job of the entry. */
  readonly isHolder: boolean;
}

function blockingJob(items: CronReading["items"]): Blocking | null {
  const slot = items.findLast(({ slot }) =>
    (slot?.blockedById ?? null) !== null
  )
    ?.slot;
  const id = slot?.blockedById ?? null;
  if (id === null) return null;
  const isHolder = slot?.reason === "key_held" || slot?.reason === "overwrote";
  return { id, isHolder };
}

/**
 * Slots as far back as we looked, and the spans around them. A cron entry goes on
 * for years, so it is judged from where its history is kept.
 */
function cronSources(
  { entry, items, completeness, coverage, keptFrom }: CronReading,
): Collected["sources"] {
  const wantedFrom = items[0]?.plannedAt ?? entry.insertedAt;
  const recorded = items.filter(({ slot }) => slot !== null).length;
  return [
    {
      source: "definition",
      wantedFrom: entry.insertedAt,
      keptFrom: null,
      found: 1,
    },
    { source: "cron_slots", wantedFrom, keptFrom, found: recorded },
    {
      source: "cron_coverage",
      wantedFrom,
      keptFrom,
      found: coverage.length,
      state: completeness,
    },
  ];
}

function runbookOf(
  reading: CronReading,
  { subject, trail }: {
    readonly subject: ResourceRef;
    readonly trail: ControlTrail;
  },
): Collected["runbook"] {
  const { entry, items, jobs } = reading;
  const legal: readonly Action[] = entry.retiredAt !== null
    ? []
    : entry.pausedAt === null
    ? ["pause_cron_entry", "run_cron_entry"]
    : ["resume_cron_entry", "run_cron_entry"];
  const cautions: CautionCode[] = [...trail.cautions];
  if (RECOMMENDS_RUN.includes(reading.diagnosis)) {
    cautions.push("takes_no_slot");
  }
  if (entry.pausedAt !== null) cautions.push("not_made_up");
  const run = lastRun(items, jobs)?.item.slot?.jobId ?? null;
  const blocking = blockingJob(items);
  return {
    legal,
    cautions,
    prerequisites: prerequisitesOf(reading),
    targets: {
      subject: { page: "resource", resource: subject },
      executors: { page: "executors" },
      audit: { page: "audit", resource: subject },
      forensics: { page: "forensics" },
      ...run === null ? {} : { last_job: toJob(run) },
      ...blocking === null ? {} : { blocking_job: toJob(blocking.id) },
    },
  };
}

const RECOMMENDS_RUN: readonly string[] = [
  "cron_missed",
  "cron_unseen",
  "cron_failed",
  "cron_held",
  "cron_limited",
  "cron_new",
];

function toJob(id: string) {
  return { page: "resource", resource: { type: "job", id } } as const;
}

/** A scheduler that did not look for so long is not there. */
const WATCHED_MS = 90_000;

function prerequisitesOf(
  { expression, coverage, now }: CronReading,
): Partial<Record<PrerequisiteCode, PrerequisiteState>> {
  const span = coverage.at(-1);
  return {
    expression_reads: expression === null ? "missing" : "met",
    plan_watched: span === undefined
      ? "unknown"
      : now.getTime() - span.throughAt.getTime() <= WATCHED_MS
      ? "met"
      : "missing",
  };
}
