import type { Database } from "../db/database.ts";
import { sentence } from "../domain/sentence.ts";
import type { ResourceRef } from "../seams.ts";
import type { Bundle, Collect } from "./bundle.ts";
import { collectCronEntry } from "./cron_entry.ts";
import { collectJob } from "./job.ts";
import { collectLimiter } from "./limiter.ts";
import { collectQueue } from "./queue.ts";
import { type Missing, unknownBundle } from "./unknown.ts";

/** What a link into forensics may carry; the names are stable. */
export const SELECTORS = [
  "resource_type",
  "resource_id",
  "incident_fingerprint",
  "workflow_id",
  "step",
  "view",
] as const;
/** Selectors as they came: text, or nothing. */
export type Selectors = Readonly<
  Partial<Record<typeof SELECTORS[number], string>>
>;

/** The things there are bundles for. */
export const SUBJECT_TYPES = ["job", "cron_entry", "queue", "limiter"] as const;
/** One of {@linkcode SUBJECT_TYPES}. */
export type SubjectType = typeof SUBJECT_TYPES[number];

const COLLECTORS: Readonly<Record<SubjectType, Collect>> = {
  job: collectJob,
  cron_entry: collectCronEntry,
  queue: collectQueue,
  limiter: collectLimiter,
};

const ID_LENGTH_MAX = 500;

/**
 * The bundle for a set of selectors. Whatever they say, there is one: what has
 * no record gets a bundle that says so.
 */
export async function collectBundle(
  db: Database,
  selectors: Selectors,
): Promise<Bundle> {
  const type = present(selectors.resource_type);
  const id = present(selectors.resource_id);
  const known = SUBJECT_TYPES.find((candidate) => candidate === type);
  if (known === undefined || id === null) {
    return await unknownBundle(db, unasked(selectors));
  }
  const subject: ResourceRef = { type: known, id };
  if (isStorable(id)) {
    const found = await COLLECTORS[known](db, subject);
    if (found !== null) return found;
  }
  return await unknownBundle(db, {
    type,
    id,
    resource: isStorable(id) ? subject : null,
    detail:
      sentence`There is no record of it: it never was, or is no longer kept.`,
  });
}

function unasked(selectors: Selectors): Missing {
  const type = present(selectors.resource_type);
  const id = present(selectors.resource_id);
  const accepted =
    sentence`Accepted are resource_type (job, cron_entry, queue or limiter) and resource_id together.`;
  const elsewhere = present(selectors.workflow_id) ??
    present(selectors.incident_fingerprint);
  return {
    type,
    id,
    resource: null,
    detail: type === null && id === null && elsewhere === null
      ? sentence`Nothing was asked for. ${accepted}`
      : elsewhere !== null && type === null
      ? sentence`No workflow and no incident is on record here. ${accepted}`
      : sentence`These selectors name nothing that is on record here. ${accepted}`,
  };
}

function present(value: string | undefined): string | null {
  return value === undefined || value.trim() === "" ? null : value;
}

/** Postgres stores no NUL, and no name of ours is that long. */
function isStorable(id: string): boolean {
  return id.length <= ID_LENGTH_MAX && !id.includes("\0");
}
