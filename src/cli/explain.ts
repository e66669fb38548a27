import type { Database } from "../db/database.ts";
import { requireSchema } from "../db/migrate.ts";
import { CONTROL_STATUS_LABELS } from "../domain/diagnosis.ts";
import {
  type JobExplanation,
  needsSomebody,
  type NextStep,
  type ToldReason,
} from "../domain/explain_told.ts";
import { parseJobId } from "../domain/job.ts";
import { ACTION_POLICIES } from "../domain/action.ts";
import { findExplanation } from "../store/explain.ts";
import { UsageError } from "./flags.ts";
import type { Report } from "./report.ts";

/** A job that there is no record of. */
class JobNotFound extends Error {
  override readonly name = "JobNotFound";
  readonly code = "job_not_found";
}

/**
 * Says why a job is where it is. That somebody has to act is a finding; that it
 * waits for its time or its turn, runs or has completed is as it must be.
 */
export async function showExplanation(
  db: Database,
  jobText: string | null,
): Promise<Report> {
  const jobId = parseJobId(jobText ?? "");
  if (jobId === null) {
    throw new UsageError(`"explain" must be followed by the id of a job`);
  }
  await requireSchema(db);
  const told = await findExplanation(db, jobId);
  if (told === null) {
    throw new JobNotFound(
      `There is no job ${jobId}: it never was, or is no longer kept`,
    );
  }
  return {
    exit: needsSomebody(told) ? 1 : 0,
    lines: linesOf(told),
    json: { schema_version: 1, ...told },
  };
}

function linesOf(told: JobExplanation): string[] {
  const { jobId, worker, queue, state, earliestAt, runnable } = told;
  const waits = told.reasons.some(({ clears }) =>
    clears === "by_itself" || clears === "by_somebody"
  );
  return [
    `Job ${jobId}, worker ${worker}, queue ${queue}: ${state}`,
    ...told.reasons.flatMap(reasonLines),
    ...told.notes.map((note) => `Note: ${note}`),
    ...waits && !runnable
      ? [`Earliest start: ${earliestAt?.toISOString() ?? "not known"}`]
      : [],
  ];
}

function reasonLines(
  { title, status, message, nextSteps }: ToldReason,
): string[] {
  return [
    `${CONTROL_STATUS_LABELS[status]}: ${title}`,
    `  ${message}`,
    ...nextSteps.map((step) => `  Next: ${stepLine(step)}`),
  ];
}

function stepLine({ label, owner, action, target }: NextStep): string {
  if (owner === "host") return `${label} (yours to do)`;
  return action === null || target === null
    ? label
    : `${
      ACTION_POLICIES[action].label
    } (${action} on ${target.type} ${target.id})`;
}
