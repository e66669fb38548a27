import { CONTROL_STATUS_LABELS, DIAGNOSES } from "../domain/diagnosis.ts";
import { COMPLETENESS_LABELS, PROVENANCE_LABELS } from "../domain/evidence.ts";
import { BOUNDARIES, CAUTIONS, type NextPath } from "../domain/runbook.ts";
import { PREREQUISITES } from "../domain/runbook.ts";
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
  const { diagnosis, runbook, completeness } = bundle;
  const words = DIAGNOSES[diagnosis.code];
  return {
    schema: 1,
    seen_at: iso(bundle.seenAt),
    subject: {
      type: bundle.subject.resource?.type ?? null,
      id: shown(bundle.subject.id, { show, resource }),
      label: bundle.subject.label === null ? null : say(bundle.subject.label),
      on_record: bundle.subject.resource !== null,
    },
    diagnosis: {
      code: diagnosis.code,
      status: words.status === null
        ? "Unknown"
        : CONTROL_STATUS_LABELS[words.status],
      title: words.title,
      detail: say(diagnosis.detail),
      provenance: PROVENANCE_LABELS[diagnosis.provenance],
    },
    runbook: {
      why: words.why,
      prerequisites: runbook.prerequisites.map(({ code, state }) => ({
        label: PREREQUISITES[code].label,
        state,
      })),
      cautions: runbook.cautions.map((code) => CAUTIONS[code].label),
      recommended_order: runbook.paths.map(exportPath),
      unsupported_boundaries: runbook.boundaries.map((code) =>
        BOUNDARIES[code]
      ),
    },
    continuity: bundle.continuity === null ? null : {
      attempt_state: bundle.continuity.attempt,
      event_type: bundle.continuity.eventType,
      reason: show("reason", bundle.continuity.reason, resource),
      at: iso(bundle.continuity.at),
      audit_event: bundle.continuity.auditId,
    },
    timeline: bundle.chronology.map((item) => ({
      at: iso(item.at),
      label: say(item.label),
      notes: item.notes.map(say),
      source: SOURCES[item.source],
      provenance: PROVENANCE_LABELS[item.provenance],
      audit_event: item.audit?.id ?? null,
    })),
    related_evidence: bundle.related.map((related) => ({
      title: say(related.title),
      summary: say(related.summary),
      provenance: PROVENANCE_LABELS[related.provenance],
    })),
    linked_resources: bundle.linked.map((linked) => ({
      relation: say(linked.relation),
      type: linked.resource.type,
      id: shown(linked.resource.id, { show, resource: linked.resource }),
    })),
    legal_next_paths: bundle.paths.map(exportPath),
    completeness: {
      state: COMPLETENESS_LABELS[completeness.state],
      sources: completeness.sources.map((source) => ({
        source: SOURCES[source.source],
        state: COMPLETENESS_LABELS[source.state],
        kept_from: source.keptFrom === null ? null : iso(source.keptFrom),
        found: source.found,
        truncated: source.truncated,
      })),
    },
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
