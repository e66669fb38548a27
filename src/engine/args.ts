import { redactedFieldsOf } from "../domain/redaction.ts";
import { isSealed } from "../domain/sealed_args.ts";
import { checkLeft } from "./redacted_args.ts";
import type { JsonObject } from "./run_context.ts";
import type { Sealer } from "./sealer.ts";
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

/** What is stored of a job, and what it is read with. */
export interface StoredArgs {
  readonly args: JsonObject;
  readonly meta: unknown;
  readonly sealer: Sealer;
}

/**
 * The args of a run: decrypted, upgraded, and as its worker's schema reads them.
 * It does not miss what was redacted.
 *
 * @throws {Error} If they can not be decrypted, an upgrade throws or they do not match: a normal failure of the attempt. The
 * worker may have changed since they were stored.
 */
export async function parseArgs(
  worker: AnyWorker,
  { args: stored, meta, sealer }: StoredArgs,
): Promise<unknown> {
  const opened = isSealed(stored)
    ? await sealer.open(stored, worker.name)
    : stored;
  const args = await upgradedArgs(worker, { args: opened, meta });
  const redacted = redactedFieldsOf(meta);
  const check = redacted.length === 0 || worker.args === null
    ? await checkArgs(worker, args)
    : await checkLeft(worker.args, { args, redacted });
  if (check.ok) return check.args;
  const [first] = check.issues;
  const error = new Error(
    `Cannot run the job: ${first?.path ?? "args"}: ${first?.message ?? ""}`,
  );
  error.name = "InvalidArgsError";
  throw error;
}
