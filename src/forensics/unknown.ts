import type { Database } from "../db/database.ts";
import { jobInsertedAt, parseJobId } from "../domain/job.ts";
import { type Sentence, sentence } from "../domain/sentence.ts";
import type { ResourceRef } from "../seams.ts";
import { type Horizons, readHorizons } from "../store/evidence.ts";
import { type Bundle, bundle, type CollectedSource } from "./bundle.ts";
import { controlTrail } from "./control_trail.ts";

/** What was asked for, when there is no record of it. */
export interface Missing {
  readonly type: string | null;
  readonly id: string | null;
  /** Set when the type is one of ours: the audit may know more than the tables. */
  readonly resource: ResourceRef | null;
  readonly detail: Sentence;
}

/**
 * Says that there is no record, which is an answer and not an error. The audit
 * outlives what it tells of, so its events are shown all the same.
 */
export async function unknownBundle(
  db: Database,
  { type, id, resource, detail }: Missing,
): Promise<Bundle> {
  const horizons = await readHorizons(db);
  const trail = resource === null
    ? null
    : await controlTrail(db, { resource, since: null, horizons });
  const remembered = trail !== null && trail.chronology.length > 0;
  return bundle({
    subject: { type, id, resource: null, label: null },
    seenAt: horizons.now,
    diagnosis: {
      code: "subject_unknown",
      detail: remembered
        ? sentence`${detail} The audit still tells of it.`
        : detail,
      provenance: "missing",
    },
    continuity: trail?.continuity ?? null,
    chronology: trail?.chronology ?? [],
    related: [],
    linked: [],
    sources: [
      ...prunedSource(resource, horizons),
      ...remembered ? trail.sources : [],
    ],
    runbook: {
      legal: [],
      prerequisites: {},
      cautions: trail?.cautions ?? [],
      targets: {
        forensics: { page: "forensics" },
        audit: { page: "audit", resource },
      },
    },
  });
}

/** A job's id tells its age, so one that retention let go can be told apart. */
function prunedSource(
  resource: ResourceRef | null,
  horizons: Horizons,
): readonly CollectedSource[] {
  const id = resource?.type === "job" ? parseJobId(resource.id) : null;
  if (id === null || horizons.history === null) return [];
  const wantedFrom = jobInsertedAt(id);
  if (wantedFrom >= horizons.history) return [];
  return [
    { source: "definition", wantedFrom, keptFrom: horizons.history, found: 0 },
  ];
}
