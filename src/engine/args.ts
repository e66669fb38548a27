import { type Issue, type SchemaResult, toIssues } from "./standard_schema.ts";
import type { AnyWorker } from "./worker.ts";

/** Args that a schema accepts, or what is wrong with them. */
export type ArgsCheck =
  | { readonly ok: true; readonly args: unknown }
  | { readonly ok: false; readonly issues: readonly Issue[] };

/** Asks the schema of a worker; without one, any JSON object is fine. */
export async function checkArgs(
  worker: AnyWorker,
  args: unknown,
): Promise<ArgsCheck> {
  if (worker.args === null) return { ok: true, args };
  const answer = worker.args["~standard"].validate(args);
  const result: SchemaResult<unknown> = answer instanceof Promise
    ? await answer
    : answer;
  return result.issues === undefined
    ? { ok: true, args: result.value }
    : { ok: false, issues: toIssues(result.issues, "args") };
}

/**
 * The args of a run, as its worker's schema reads them.
 *
 * @throws {Error} If they do not match: a normal failure of the attempt. The
 * worker may have changed since they were stored.
 */
export async function parseArgs(
  worker: AnyWorker,
  stored: unknown,
): Promise<unknown> {
  if (worker.args === null) return stored;
  const check = await checkArgs(worker, stored);
  if (check.ok) return check.args;
  const [first] = check.issues;
  const error = new Error(
    `Cannot run the job: ${first?.path ?? "args"}: ${first?.message ?? ""}`,
  );
  error.name = "InvalidArgsError";
  throw error;
}
