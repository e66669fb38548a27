import { redactedFieldsOf } from "../domain/redaction.ts";
import { isSealed, sealedPartOf } from "../domain/sealed_args.ts";
import { isAtOrUnder, overlap } from "../domain/secret_paths.ts";
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
 * @throws {Error} If they can not be decrypted, an upgrade throws or they do not
 * match: a normal failure of the attempt. The worker may have changed since they
 * were stored.
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
  const [first = { path: "args", message: "" }] = check.issues;
  const { path, message } = asTold(first, encryptedPaths(worker, stored));
  const error = new Error(`Cannot run the job: ${path}: ${message}`);
  error.name = "InvalidArgsError";
  throw error;
}

/** What was encrypted of the args, and what would be now; `true`: all of them. */
function encryptedPaths(
  { secrets }: AnyWorker,
  stored: JsonObject,
): true | readonly string[] {
  const part = sealedPartOf(stored);
  if (part !== null && part.fields === undefined) return true;
  const now = secrets?.encrypt ?? [];
  return now === true || [...now, ...part?.fields ?? []];
}

/**
 * An issue as it may be stored: the message of a schema, and the path below what is
 * encrypted, often quote what they are about.
 */
function asTold(issue: Issue, encrypted: true | readonly string[]): Issue {
  const message = "does not match its schema, which is all that is told of " +
    "what is encrypted";
  if (encrypted === true) return { path: "args", message };
  const where = withoutPlaces(issue.path.split(".").slice(1));
  const secret = encrypted.find((path) => where === "" || overlap(where, path));
  if (secret === undefined) return issue;
  const isInside = isAtOrUnder(where, secret);
  return { path: isInside ? `args.${secret}` : issue.path, message };
}

/** Without places in lists, which paths of secrets pass by. */
function withoutPlaces(names: readonly string[]): string {
  return names.filter((name) => !/^\d+$/.test(name)).join(".");
}
