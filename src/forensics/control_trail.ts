/** What operators did to a thing, or tried to: its audit events and previews. */
import type { Database } from "../db/database.ts";
import type { AuditEvent } from "../domain/audit.ts";
import { ATTEMPT_STATES } from "../domain/preview.ts";
import type { CautionCode } from "../domain/runbook.ts";
import { type Sentence, sentence } from "../domain/sentence.ts";
import type { ResourceRef } from "../seams.ts";
import { listAuditEvents } from "../store/audit.ts";
import {
  EVIDENCE_MAX,
  type Horizons,
  listPreviewEvidence,
  type PreviewEvidence,
} from "../store/evidence.ts";
import type { CollectedSource, Continuity } from "./bundle.ts";
import type { ChronologyItem } from "./chronology.ts";

/** The part of a bundle that all subjects share. */
export interface ControlTrail {
  readonly chronology: readonly ChronologyItem[];
  readonly sources: readonly CollectedSource[];
  readonly cautions: readonly CautionCode[];
  readonly continuity: Continuity | null;
}

/** Reads what operators did to a thing since it began, newest first. */
export async function controlTrail(
  db: Database,
  { resource, since, horizons }: {
    readonly resource: ResourceRef;
    /** When the thing began; null: that is not known. */
    readonly since: Date | null;
    readonly horizons: Horizons;
  },
): Promise<ControlTrail> {
  const found = await listAuditEvents(db, {
    filters: { resourceType: resource.type, resourceId: resource.id },
    limit: EVIDENCE_MAX + 1,
  });
  const previewsFound = await listPreviewEvidence(db, resource);
  const events = found.slice(0, EVIDENCE_MAX);
  const previews = previewsFound.slice(0, EVIDENCE_MAX);
  return {
    chronology: [
      ...events.map(auditItem),
      ...previews.flatMap(previewItems),
    ],
    sources: [
      {
        source: "audit",
        wantedFrom: since,
        keptFrom: horizons.audit,
        found: events.length,
        truncated: found.length > EVIDENCE_MAX,
      },
      {
        source: "previews",
        ...previewsKept(since, horizons.now),
        found: previews.length,
        truncated: previewsFound.length > EVIDENCE_MAX,
      },
    ],
    cautions: events[0]?.result === "refused" ? ["refused_before"] : [],
    continuity: events[0] === undefined ? null : continuityOf(events[0]),
  };
}

function continuityOf(event: AuditEvent): Continuity {
  const told = event.details["attempt"];
  const attempt = ATTEMPT_STATES.find((known) => known === told);
  return {
    auditId: event.id,
    eventType: event.eventType,
    attempt: attempt ??
      (event.result === "applied" ? "succeeded" : "attempted"),
    reason: event.reason,
    at: event.at,
  };
}

const PREVIEWS_KEPT_MS = 7 * 86_400_000;

/** Previews are swept a week after they closed; the audit tells the rest. */
function previewsKept(since: Date | null, now: Date) {
  const keptFrom = new Date(now.getTime() - PREVIEWS_KEPT_MS);
  if (since === null || since >= keptFrom) {
    return { wantedFrom: since, keptFrom: null };
  }
  return { wantedFrom: keptFrom, keptFrom };
}

const EVENT_LABELS: Readonly<Record<string, Sentence>> = {
  "cron.paused": sentence`Cron entry paused`,
  "cron.resumed": sentence`Cron entry resumed`,
  "cron.run_now": sentence`Run asked for by an operator`,
  "queue.paused": sentence`Queue paused`,
  "queue.resumed": sentence`Queue resumed`,
  "queue.scaled": sentence`Queue limit changed`,
  "limiter.cooled_down": sentence`Limiter cooled down by an operator`,
  "limiter.cooldown_cleared": sentence`Cooldown ended by an operator`,
  "limiter.scaled": sentence`Limiter capacity changed`,
  "job.retried": sentence`Job retried by an operator`,
  "job.cancelled": sentence`Job cancelled by an operator`,
  "job.discarded": sentence`Job discarded by an operator`,
  "command.refused": sentence`A command was refused`,
};

function auditItem(event: AuditEvent): ChronologyItem {
  const who = {
    kind: "actor",
    value: { id: event.actorId, label: event.principalLabel ?? undefined },
  } as const;
  const notes = [sentence`By ${who}.`];
  if (event.reason !== null) {
    notes.push(sentence`Reason: ${{ kind: "reason", value: event.reason }}`);
  }
  return {
    at: event.at,
    source: "audit",
    sequence: BigInt(event.id),
    provenance: "durable",
    label: EVENT_LABELS[event.eventType] ?? sentence`Recorded by the audit`,
    notes,
    resource: null,
    audit: { id: event.id, eventType: event.eventType },
  };
}

const ACTION_LABELS: Readonly<Record<string, Sentence>> = {
  pause_cron_entry: sentence`Pausing was previewed`,
  resume_cron_entry: sentence`Resuming was previewed`,
  run_cron_entry: sentence`A run now was previewed`,
  pause_queue: sentence`Pausing was previewed`,
  resume_queue: sentence`Resuming was previewed`,
  scale_queue: sentence`Another limit was previewed`,
  cool_down_limiter: sentence`A cooldown was previewed`,
  clear_limiter_cooldown: sentence`Ending a cooldown was previewed`,
  scale_limiter: sentence`Another capacity was previewed`,
  retry_job: sentence`A retry was previewed`,
  cancel_job: sentence`A cancellation was previewed`,
  discard_job: sentence`A discard was previewed`,
};

const ENDS: Readonly<
  Record<PreviewEvidence["status"], Sentence | null>
> = {
  ready: null,
  drifted: sentence`A preview no longer fitted: its target had changed`,
  expired: sentence`A preview expired unused`,
  // Its audit event tells it, with the words of the operator.
  consumed: null,
  withdrawn: sentence`A preview was withdrawn`,
};

/** Its beginning, and its end where no audit event tells of it. */
function previewItems(preview: PreviewEvidence): ChronologyItem[] {
  const by = { kind: "actor", value: preview.createdBy } as const;
  const common = {
    source: "previews",
    // Rows change while a preview lives, and old ones are pruned.
    provenance: "supporting",
    resource: null,
    audit: null,
  } as const;
  const begin: ChronologyItem = {
    ...common,
    at: preview.createdAt,
    sequence: BigInt(preview.id) * 2n,
    label: ACTION_LABELS[preview.action] ?? sentence`A change was previewed`,
    notes: [sentence`By ${by}.`],
  };
  const end = ENDS[preview.status];
  if (end === null) return [begin];
  return [begin, {
    ...common,
    at: preview.closedAt ?? preview.expiresAt,
    sequence: BigInt(preview.id) * 2n + 1n,
    label: end,
    notes: [sentence`It was previewed by ${by}.`],
  }];
}
