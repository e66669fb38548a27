import { parseNewerArgs } from "../domain/args_version.ts";
import { parseUnknownKey } from "../domain/sealed_args.ts";
import { type Sentence, sentence } from "../domain/sentence.ts";
import type { AttemptEventKind } from "../domain/state.ts";
import type {
  AttemptEventEvidence,
  JobEvidence,
  SlotOfJob,
} from "../store/evidence.ts";
import type { ChronologyItem } from "./chronology.ts";

/** What is known to have happened to a job, from the tables of the engine. */
export function jobChronology(
  { job, slot, attempts }: {
    readonly job: JobEvidence;
    readonly slot: SlotOfJob | null;
    readonly attempts: readonly AttemptEventEvidence[];
  },
): ChronologyItem[] {
  return [
    ...slot === null ? [] : [slotItem(slot)],
    insertedItem(job),
    ...attempts.map(attemptItem),
    ...job.claimedAt === null ? [] : [claimedItem(job, job.claimedAt)],
    ...job.outputAt === null ? [] : [outputItem(job, job.outputAt)],
    ...job.finishedAt === null ? [] : endItems(job, job.finishedAt),
  ];
}

const PLAIN = {
  sequence: 0n,
  provenance: "durable",
  notes: [],
  resource: null,
  audit: null,
} as const;

function slotItem(slot: SlotOfJob): ChronologyItem {
  return {
    ...PLAIN,
    at: slot.claimedAt,
    source: "cron_slots",
    label: slot.kind === "manual"
      ? sentence`Asked for as a run now of its cron entry`
      : sentence`Planned instant of its cron entry claimed`,
    notes: [sentence`Planned for ${slot.plannedAt}.`],
    resource: { type: "cron_entry", id: slot.entryName },
  };
}

function insertedItem(job: JobEvidence): ChronologyItem {
  const queue = { kind: "name", value: job.queue } as const;
  const worker = { kind: "name", value: job.worker } as const;
  return {
    ...PLAIN,
    at: job.insertedAt,
    source: "definition",
    label: sentence`Inserted`,
    notes: [sentence`Into queue ${queue}, for worker ${worker}.`],
  };
}

function claimedItem(job: JobEvidence, at: Date): ChronologyItem {
  return {
    ...PLAIN,
    at,
    source: "lease",
    // The row goes when the run ends: it tells of now, not of history.
    provenance: "supporting",
    label: sentence`Attempt ${job.attempt} claimed`,
    notes: job.executorId === null
      ? []
      : [sentence`By executor ${job.executorId}.`],
  };
}

function outputItem(job: JobEvidence, at: Date): ChronologyItem {
  return {
    ...PLAIN,
    at,
    source: "outputs",
    label: sentence`Output of attempt ${
      job.outputAttempt ?? job.attempt
    } recorded`,
    notes: outputNotes(job),
  };
}

function outputNotes({ outputExpiresAt, now }: JobEvidence): Sentence[] {
  if (outputExpiresAt === null) return [];
  return outputExpiresAt > now
    ? [sentence`It expires ${outputExpiresAt}.`]
    : [sentence`It expired ${outputExpiresAt} and can not be read any more.`];
}

/** The end, and the beginning of the run that led to it, which is derived. */
function endItems(job: JobEvidence, at: Date): ChronologyItem[] {
  const end: ChronologyItem = {
    ...PLAIN,
    at,
    source: "outcome",
    label: sentence`Ended as ${job.state}`,
    notes: job.executorId === null
      ? [sentence`While no executor ran it.`]
      : [sentence`Attempt ${job.attempt}, on executor ${job.executorId}.`],
  };
  if (job.executorId === null || job.tookMs === null) return [end];
  return [end, {
    ...PLAIN,
    at: new Date(at.getTime() - job.tookMs),
    source: "lease",
    provenance: "supporting",
    label: sentence`Attempt ${job.attempt} began`,
    notes: [sentence`Reckoned back from its end: it took ${job.tookMs} ms.`],
  }];
}

const KIND_LABELS: Readonly<
  Record<AttemptEventKind, (attempt: number) => Sentence>
> = {
  failed: (attempt) => sentence`Attempt ${attempt} failed`,
  timed_out: (attempt) => sentence`Attempt ${attempt} ran out of time`,
  snoozed: (attempt) => sentence`Attempt ${attempt} asked to run later`,
  given_back: (attempt) =>
    sentence`Attempt ${attempt} given back by its executor`,
  rescued: (attempt) =>
    sentence`Attempt ${attempt} rescued from a missing executor`,
  lost: (attempt) => sentence`A late answer of attempt ${attempt} was refused`,
  cancelled: (attempt) => sentence`Cancelled at attempt ${attempt}`,
  discarded: (attempt) => sentence`Discarded at attempt ${attempt}`,
  expired: () => sentence`Its deadline passed`,
  retried: () => sentence`Retried by an operator`,
  replaced: () => sentence`Its definition was replaced while it waited`,
};

const KIND_NOTES: Readonly<Partial<Record<AttemptEventKind, Sentence>>> = {
  given_back: sentence`No attempt was burnt.`,
  snoozed: sentence`No attempt was burnt.`,
  lost: sentence`Its lease no longer held the job, so it changed nothing.`,
};

function attemptItem(event: AttemptEventEvidence): ChronologyItem {
  return {
    at: event.at,
    source: "attempt_events",
    sequence: BigInt(event.id),
    provenance: "durable",
    label: KIND_LABELS[event.kind](event.attempt),
    notes: attemptNotes(event),
    resource: null,
    audit: null,
  };
}

function attemptNotes(event: AttemptEventEvidence): Sentence[] {
  const notes: Sentence[] = [];
  const always = KIND_NOTES[event.kind];
  if (always !== undefined) notes.push(always);
  const newer = parseNewerArgs(event.message);
  const unknownKey = parseUnknownKey(event.message);
  if (newer !== null) {
    notes.push(
      sentence`Its args have version ${newer.version}, and its code there knew version ${newer.known}.`,
    );
  } else if (unknownKey !== null) {
    const key = { kind: "name", value: unknownKey } as const;
    notes.push(
      sentence`Its args are encrypted with key ${key}, which that executor did not know.`,
    );
  } else if (event.message !== null) {
    const error = {
      kind: "error",
      value: {
        message: event.message,
        topFrame: event.topFrame,
        stack: null,
      },
    } as const;
    notes.push(sentence`Error: ${error}`);
  }
  if (event.executorId !== null) {
    notes.push(sentence`On executor ${event.executorId}.`);
  }
  if (event.principal !== null) {
    notes.push(sentence`By ${{ kind: "actor", value: event.principal }}.`);
  }
  if (event.runAt !== null) {
    notes.push(sentence`To run again ${event.runAt}.`);
  }
  return notes;
}
