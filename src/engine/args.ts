import type { JsonObject } from "./run_context.ts";
import { type Issue, type SchemaResult, toIssues } from "./standard_schema.ts";
import { upgradedArgs } from "./upgrade.ts";
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
 * The args of a run, upgraded, and as its worker's schema reads them.
 *
 * @throws {Error} If an upgrade throws or they do not match: a normal failure of the attempt. The
 * worker may have changed since they were stored.
 */
export async function parseArgs(
  worker: AnyWorker,
  stored: { readonly args: JsonObject; readonly meta: unknown },
): Promise<unknown> {
  const args = await upgradedArgs(worker, stored);
  const check = await checkArgs(worker, args);
  if (check.ok) return check.args;
  const [first] = check.issues;
  const error = new Error(
    `Cannot run the job: ${first?.path ?? "args"}: ${first?.message ?? ""}`,
  );
  error.name = "InvalidArgsError";
  throw error;
}
