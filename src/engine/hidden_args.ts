/** What becomes of secrets in args before they are stored: the last step. */
import { JOB_BOUNDS } from "../domain/job.ts";
import {
  encrypts,
  withRedactedFields,
  type WorkerSecrets,
} from "../domain/redaction.ts";
import { type JsonObject, takeOut } from "../domain/secret_paths.ts";
import type { JobInsert } from "../store/jobs.ts";
import type { AnyWorker } from "./any_worker.ts";
import { checkLeft, leavesAsItIs } from "./redacted_args.ts";
import type { Sealer } from "./sealer.ts";
import type { Issue } from "./standard_schema.ts";

/** A job that was prepared, with its args as the caller gave them. */
interface Open {
  readonly insert: JobInsert;
  readonly length: number;
}

type Answer<Prepared> =
  | { readonly ok: true; readonly prepared: Prepared }
  | { readonly ok: false; readonly issues: readonly Issue[] };

/**
 * Hides what a worker wants to have hidden. Keys and fingerprints were made
 * before, of the args as they were given.
 */
export async function hidden<Prepared extends Open>(
  worker: AnyWorker,
  { ready, sealer }: {
    readonly ready: Answer<Prepared> | Promise<Answer<Prepared>>;
    readonly sealer: Sealer;
  },
): Promise<Answer<Prepared>> {
  const answer = await ready;
  const { secrets } = worker;
  if (!answer.ok || secrets === null) return answer;
  const { insert, length } = answer.prepared;
  const { args, meta = {} } = insert;
  const { left, paths } = takeOut(args, secrets.redact);
  if (paths.length > 0) {
    const issues = await leftIssues(worker, { args, left, redacted: paths });
    if (issues.length > 0) return { ok: false, issues };
  }
  const sealed = await sealWith(sealer, { worker: worker.name, secrets, left });
  if (!sealed.ok) return { ok: false, issues: [sealed.issue] };
  const stored: Partial<JobInsert> = {
    args: sealed.args,
    argsText: sealed.text,
    meta: withRedactedFields(meta, paths),
  };
  return {
    ok: true,
    prepared: {
      ...answer.prepared,
      insert: { ...insert, ...stored },
      length: length + sealed.text.length,
    },
  };
}

/** What no run could do with, told now and not when the first run fails. */
async function leftIssues(
  { args: schema }: AnyWorker,
  { args, left, redacted }: {
    readonly args: JsonObject;
    readonly left: JsonObject;
    readonly redacted: readonly string[];
  },
): Promise<readonly Issue[]> {
  if (schema === null) return [];
  const check = await checkLeft(schema, { args: left, redacted });
  if (!check.ok) return check.issues;
  if (!check.asStored) return [];
  const full = await schema["~standard"].validate(args);
  if (full.issues !== undefined || leavesAsItIs(full.value, args)) return [];
  return [{
    path: "args",
    message:
      `are changed by their schema, which can not be while it requires ` +
      `${redacted.join(", ")}: make what is redacted optional in it`,
  }];
}

/** Args as they are stored, or why they can not be. */
export type SealAnswer =
  | { readonly ok: true; readonly args: JsonObject; readonly text: string }
  | { readonly ok: false; readonly issue: Issue };

/** Encrypts what a worker wants encrypted, and measures what is stored. */
export async function sealWith(
  sealer: Sealer,
  { worker, secrets, left }: {
    readonly worker: string;
    readonly secrets: WorkerSecrets;
    readonly left: JsonObject;
  },
): Promise<SealAnswer> {
  if (encrypts(secrets) && !sealer.hasKeys) {
    const message = `is missing, and worker ${worker} encrypts its args`;
    return { ok: false, issue: { path: "encryption", message } };
  }
  const args = await sealer.seal(left, { worker, secrets });
  const text = JSON.stringify(args);
  if (text.length > JOB_BOUNDS.jsonLengthMax) {
    const message = "must be at most 1 MiB as JSON, once they are encrypted";
    return { ok: false, issue: { path: "args", message } };
  }
  return { ok: true, args, text };
}
