/** What is checked of a job before it is inserted. */
import { withArgsVersion } from "../domain/args_version.ts";
import { normalizeTags } from "../domain/job.ts";
import { receiptRule } from "../domain/receipt.ts";
import { withRedactedFields } from "../domain/redaction.ts";
import { isSealed, SEALED_KEY } from "../domain/sealed_args.ts";
import { weightProblem } from "../domain/limiter.ts";
import {
  uniqueParts,
  type UniqueRule,
  uniqueRule,
} from "../domain/unique_key.ts";
import type { JobInsert } from "../store/jobs.ts";
import type { JobReceipt } from "../store/receipts.ts";
import { checkArgs } from "./args.ts";
import {
  checkOptions,
  checkUnique,
  type EnqueueOptions,
} from "./enqueue_options.ts";
import { type Fingerprints, needsFingerprintKey } from "./fingerprints.ts";
import { hidden } from "./hidden_args.ts";
import { receiptOf } from "./receipts.ts";
import type { Sealer } from "./sealer.ts";
import type { Issue } from "./standard_schema.ts";
import { NOTHING_STORED, type StoredJson, toStored } from "./stored_json.ts";
import {
  type AnyWorker,
  isRefusedByLimiters,
  waitsForLimiters,
} from "./worker.ts";

/** One of many. */
export interface EnqueueInput {
  /** What is to do the job. */
  readonly worker: AnyWorker;
  /** What it is given, as its schema takes it in. */
  readonly args: unknown;
  /** How this one is run, where it differs from what its worker says. */
  readonly options?: Omit<EnqueueOptions, "database">;
}

/** What the host brings along to make a job of an input. */
export interface PrepareTools {
  readonly fingerprints: Fingerprints;
  readonly sealer: Sealer;
}

/** What was checked, and is to be inserted. */
export interface Prepared {
  readonly insert: JobInsert;
  readonly rule: UniqueRule | null;
  /** Its worker has limiters that refuse at enqueue. */
  readonly gated: boolean;
  /** Of its args and meta, as text. */
  readonly length: number;
}

const NO_OPTIONS: Omit<EnqueueOptions, "database"> = {};

/** A job to insert, or every problem with it. */
export type Preparation =
  | { readonly ok: true; readonly prepared: Prepared }
  | { readonly ok: false; readonly issues: readonly Issue[] };

/** At once, unless a schema or a key has to be waited for. */
export function prepare(
  input: EnqueueInput,
  tools: PrepareTools,
): Preparation | Promise<Preparation> {
  const { worker, options = NO_OPTIONS } = input;
  const args = toStored(input.args);
  const meta = options.meta == null ? NOTHING_STORED : toStored(options.meta);
  const issues = options === NO_OPTIONS ? [] : checkOptions(options);
  if (!args.ok) issues.push({ path: "args", message: args.message });
  if (!meta.ok) issues.push({ path: "meta", message: meta.message });
  if (!args.ok) return { ok: false, issues };
  const stored = {
    args: args.stored,
    meta: meta.ok ? meta.stored : NOTHING_STORED.stored,
  };
  if (worker.args === null) {
    return toPreparation(input, { stored, issues, tools });
  }
  return checkArgs(worker, args.stored.value).then((check) => {
    if (!check.ok) issues.push(...check.issues);
    return toPreparation(input, { stored, issues, tools });
  });
}

interface Checked {
  readonly stored: { readonly args: StoredJson; readonly meta: StoredJson };
  readonly issues: Issue[];
  readonly tools: PrepareTools;
}

function toPreparation(
  { worker, options = NO_OPTIONS }: EnqueueInput,
  { stored: { args, meta }, issues, tools }: Checked,
): Preparation | Promise<Preparation> {
  for (const limiter of worker.limiters) {
    const message = weightProblem(limiter, args.value);
    if (message === null) continue;
    issues.push({ path: `args.${limiter.weightBy}`, message });
  }
  if (isSealed(args.value)) {
    const message = "is a name that args can not have: it is ours";
    issues.push({ path: `args.${SEALED_KEY}`, message });
  }
  if (
    issues.length === 0 && worker.secrets !== null &&
    !tools.fingerprints.isKeyed && needsFingerprintKey(worker, options)
  ) {
    const message =
      `is missing, and jobs of ${worker.name} would be known by ` +
      `a digest of args that it hides`;
    issues.push({ path: "fingerprintKey", message });
  }
  if (issues.length === 0 && (worker.unique || options.unique)) {
    issues.push(...checkUnique(worker.unique, options));
  }
  if (issues.length > 0) return { ok: false, issues };
  const plain: JobInsert = {
    queue: options.queue ?? worker.queue,
    worker: worker.name,
    // Not a getter: that would cost more than to read the text.
    args: args.value,
    argsText: args.text,
    meta: withArgsVersion(withRedactedFields(meta.value, []), worker.version),
    tags: options.tags === undefined && worker.tags.length === 0
      ? worker.tags
      : normalizeTags([...worker.tags, ...options.tags ?? []]),
    priority: options.priority ?? worker.priority,
    maxAttempts: options.maxAttempts ?? worker.maxAttempts,
    runAt: options.runAt ?? null,
    delayMs: options.delayMs ?? null,
    deadlineMs: options.deadlineMs ?? worker.deadlineMs,
  };
  const insert = waitsForLimiters(worker) ? { ...plain, limited: true } : plain;
  const rule = uniqueRule(worker.unique, options.unique);
  const length = args.text.length + meta.text.length;
  const gated = isRefusedByLimiters(worker);
  const prepared = { insert, rule, gated, length };
  const plainly: Preparation | Promise<Preparation> = rule === null
    ? { ok: true, prepared }
    : toUnique(prepared, { rule, tools });
  const receipt = receiptRule(worker.idempotent, options);
  const ready = receipt === null ? plainly : toIdempotent(
    plainly,
    receiptOf(receipt, { ...tools, worker, args: args.value }),
  );
  return worker.secrets === null
    ? ready
    : hidden(worker, { ready, sealer: tools.sealer });
}

async function toIdempotent(
  preparing: Preparation | Promise<Preparation>,
  digesting: Promise<JobReceipt>,
): Promise<Preparation> {
  const [ready, receipt] = await Promise.all([preparing, digesting]);
  if (!ready.ok) return ready;
  const insert = { ...ready.prepared.insert, receipt };
  return { ok: true, prepared: { ...ready.prepared, insert } };
}

async function toUnique(
  prepared: Prepared,
  { rule, tools }: { readonly rule: UniqueRule; readonly tools: PrepareTools },
): Promise<Preparation> {
  const { queue, worker, args, meta = {} } = prepared.insert;
  const unique = {
    // Which version it was is not what makes it the same.
    key: await tools.fingerprints.of(
      uniqueParts(rule, {
        queue,
        worker,
        args,
        meta: withArgsVersion(meta, 1),
      }),
    ),
    states: rule.states,
    periodMs: rule.periodMs,
  };
  const insert = {
    ...prepared.insert,
    unique,
    ...(rule.debounce !== null && { delayMs: rule.debounce.delayMs }),
  };
  return { ok: true, prepared: { ...prepared, insert } };
}
