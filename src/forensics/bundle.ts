/**
 * A bundle: everything that is known about one thing, how sure that is, and
 * where one can legally go from here. It reads many stores and writes nothing.
 */
import type { Database } from "../db/database.ts";
import type { AuditEventId } from "../domain/audit.ts";
import type { DiagnosisCode } from "../domain/diagnosis.ts";
import {
  combineCompleteness,
  type Completeness,
  completenessOf,
  type Provenance,
  type SourceFacts,
} from "../domain/evidence.ts";
import {
  legalNextPaths,
  type NextPath,
  type RunbookEntry,
  runbookEntry,
  type RunbookFacts,
} from "../domain/runbook.ts";
import type { AttemptState } from "../domain/preview.ts";
import type { Sentence } from "../domain/sentence.ts";
import type { ResourceRef } from "../seams.ts";
import { type ChronologyItem, inOrder, type SourceCode } from "./chronology.ts";

/** What a bundle is about. */
export interface Subject {
  /** As it was asked for; its type may be none of ours. */
  readonly type: string | null;
  readonly id: string | null;
  /** Null: there is no record of it. */
  readonly resource: ResourceRef | null;
  /** What its id does not say. */
  readonly label: Sentence | null;
}

/** What is the case, in one line. */
export interface Diagnosis {
  readonly code: DiagnosisCode;
  readonly detail: Sentence;
  readonly provenance: Provenance;
  /** What else is the case, where more than one thing is. */
  readonly also?: readonly Omit<Diagnosis, "also">[];
}

/** A fact about how things stand now, beside what happened. */
export interface RelatedEvidence {
  readonly title: Sentence;
  readonly summary: Sentence;
  readonly provenance: Provenance;
}

/** A thing that has to do with the subject. */
export interface LinkedResource {
  readonly relation: Sentence;
  readonly resource: ResourceRef;
}

/** How much one source holds, and since when. */
export interface SourceCompleteness {
  readonly source: SourceCode;
  readonly state: Completeness;
  /** The oldest instant that is kept; null: nothing was ever let go. */
  readonly keptFrom: Date | null;
  readonly found: number;
  readonly truncated: boolean;
}

/** What an operator last did to the subject, or tried to. */
export interface Continuity {
  readonly auditId: AuditEventId;
  readonly eventType: string;
  readonly attempt: AttemptState;
  readonly reason: string | null;
  readonly at: Date;
}

/** Everything that forensics says about one subject. */
export interface Bundle {
  readonly subject: Subject;
  readonly seenAt: Date;
  readonly diagnosis: Diagnosis;
  readonly runbook: RunbookEntry;
  /** Null: nobody has done anything to it through the control plane. */
  readonly continuity: Continuity | null;
  /** Newest first. */
  readonly chronology: readonly ChronologyItem[];
  readonly related: readonly RelatedEvidence[];
  readonly linked: readonly LinkedResource[];
  readonly paths: readonly NextPath[];
  readonly completeness: {
    readonly state: Completeness;
    readonly sources: readonly SourceCompleteness[];
  };
}

/** A source as a collector found it. */
export interface CollectedSource extends SourceFacts {
  readonly source: SourceCode;
  /** Judged by the collector itself, where a horizon does not say enough. */
  readonly state?: Completeness;
}

/** What a collector brings; the rest follows from it. */
export interface Collected {
  readonly subject: Subject;
  readonly seenAt: Date;
  readonly diagnosis: Diagnosis;
  readonly continuity: Continuity | null;
  readonly chronology: readonly ChronologyItem[];
  readonly related: readonly RelatedEvidence[];
  readonly linked: readonly LinkedResource[];
  readonly sources: readonly CollectedSource[];
  readonly runbook: Omit<RunbookFacts, "diagnosis" | "completeness">;
}

/** Reads what a collector needs, with the things it shares with the others. */
export type Collect = (
  db: Database,
  subject: ResourceRef,
) => Promise<Bundle | null>;

/** Judges the sources, orders the chronology, and derives what may be done. */
export function bundle(collected: Collected): Bundle {
  const sources = collected.sources.map((facts): SourceCompleteness => ({
    source: facts.source,
    state: facts.state ?? completenessOf(facts),
    keptFrom: facts.keptFrom,
    found: facts.found,
    truncated: facts.truncated === true,
  }));
  const state = combineCompleteness(sources.map((source) => source.state));
  const facts: RunbookFacts = {
    ...collected.runbook,
    diagnosis: collected.diagnosis.code,
    completeness: state,
  };
  return {
    subject: collected.subject,
    seenAt: collected.seenAt,
    diagnosis: collected.diagnosis,
    runbook: runbookEntry(facts),
    continuity: collected.continuity,
    chronology: inOrder(collected.chronology),
    related: collected.related,
    linked: collected.linked,
    paths: legalNextPaths(facts),
    completeness: { state, sources },
  };
}
