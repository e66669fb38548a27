import { CONTROL_STATUS_LABELS, DIAGNOSES } from "../domain/diagnosis.ts";
import { COMPLETENESS_LABELS, PROVENANCE_LABELS } from "../domain/evidence.ts";
import {
  BOUNDARIES,
  CAUTIONS,
  type NextPath,
  PREREQUISITES,
} from "../domain/runbook.ts";
import {
  OWNER_LABELS,
  POSTURE_LABELS,
  STEPS,
} from "../domain/runbook_steps.ts";
import type { Sentence } from "../domain/sentence.ts";
import type { Bundle } from "../forensics/bundle.ts";
import { SOURCES } from "../forensics/chronology.ts";
import type { ResourceRef } from "../seams.ts";
import { sentenceText } from "./components/sentence.ts";
import { iso, type Show } from "./render.ts";

const PAGE = { type: "page", id: "forensics" } as const;

/**
 * A bundle as data to hand over: the same words as on the page, and every value
 * as the display policy shows it to this actor.
 */
export function exportBundle(bundle: Bundle, show: Show): unknown {
  const resource = bundle.subject.resource ?? PAGE;
  const say = (words: Sentence) => sentenceText(words, { show, resource });
  const { subject, diagnosis } = bundle;
  const words = DIAGNOSES[diagnosis.code];
  return {
    schema: 1,
    seen_at: iso(bundle.seenAt),
    subject: {
      type: subject.resource?.type ?? null,
      id: shown(subject.id, { show, resource }),
      label: subject.label === null ? null : say(subject.label),
      on_record: subject.resource !== null,
    },
    diagnosis: {
      code: diagnosis.code,
      status: words.status === null
        ? "Unknown"
        : CONTROL_STATUS_LABELS[words.status],
      title: words.title,
      detail: say(diagnosis.detail),
      provenance: PROVENANCE_LABELS[diagnosis.provenance],
      also: (diagnosis.also ?? []).map(({ code, detail, provenance }) => ({
        code,
        title: DIAGNOSES[code].title,
        detail: say(detail),
        provenance: PROVENANCE_LABELS[provenance],
      })),
    },
    runbook: exportRunbook(bundle),
    continuity: exportContinuity(bundle, { show, resource }),
    ...exportEvidence(bundle, { show, say }),
    legal_next_paths: bundle.paths.map(exportPath),
    completeness: exportCompleteness(bundle),
  };
}

function exportRunbook({ runbook, diagnosis }: Bundle) {
  return {
    why: DIAGNOSES[diagnosis.code].why,
    prerequisites: runbook.prerequisites.map(({ code, state }) => ({
      label: PREREQUISITES[code].label,
      state,
    })),
    cautions: runbook.cautions.map((code) => CAUTIONS[code].label),
    recommended_order: runbook.paths.map(exportPath),
    unsupported_boundaries: runbook.boundaries.map((code) => BOUNDARIES[code]),
  };
}

function exportContinuity(
  { continuity }: Bundle,
  { show, resource }: { readonly show: Show; readonly resource: ResourceRef },
) {
  return continuity === null ? null : {
    attempt_state: continuity.attempt,
    event_type: continuity.eventType,
    reason: show("reason", continuity.reason, resource),
    at: iso(continuity.at),
    audit_event: continuity.auditId,
  };
}

function exportEvidence(
  { chronology, related, linked }: Bundle,
  { show, say }: {
    readonly show: Show;
    readonly say: (words: Sentence) => string;
  },
) {
  return {
    timeline: chronology.map((item) => ({
      at: iso(item.at),
      label: say(item.label),
      notes: item.notes.map(say),
      source: SOURCES[item.source],
      provenance: PROVENANCE_LABELS[item.provenance],
      audit_event: item.audit?.id ?? null,
    })),
    related_evidence: related.map(({ title, summary, provenance }) => ({
      title: say(title),
      summary: say(summary),
      provenance: PROVENANCE_LABELS[provenance],
    })),
    linked_resources: linked.map(({ relation, resource }) => ({
      relation: say(relation),
      type: resource.type,
      id: shown(resource.id, { show, resource }),
    })),
  };
}

function exportCompleteness({ completeness }: Bundle) {
  return {
    state: COMPLETENESS_LABELS[completeness.state],
    sources: completeness.sources.map((source) => ({
      source: SOURCES[source.source],
      state: COMPLETENESS_LABELS[source.state],
      kept_from: source.keptFrom === null ? null : iso(source.keptFrom),
      found: source.found,
      truncated: source.truncated,
    })),
  };
}

function exportPath({ owner, posture, step, intent }: NextPath) {
  return {
    owner: OWNER_LABELS[owner],
    posture: POSTURE_LABELS[posture],
    label: STEPS[step].label,
    intent,
  };
}

function shown(
  id: string | null,
  { show, resource }: { readonly show: Show; readonly resource: ResourceRef },
): string | null {
  return id === null ? null : show("name", id, resource);
}
