/** Secrets in the args of cron entries: what is said of them is stored as well. */
import type { Database } from "../db/database.ts";
import type { CronDefinition } from "../domain/cron_entry.ts";
import {
  encrypts,
  withRedactedFields,
  type WorkerSecrets,
} from "../domain/redaction.ts";
import {
  clearArgs,
  isSealed,
  SEALED_KEY,
  sealedPartOf,
} from "../domain/sealed_args.ts";
import { type JsonObject, takeOut } from "../domain/secret_paths.ts";
import { canonicalJson } from "../domain/unique_key.ts";
import { findCronArgs } from "../store/sealed_parts.ts";
import type { AnyWorker } from "./any_worker.ts";
import { sealWith } from "./hidden_args.ts";
import type { Sealer } from "./sealer.ts";

/** What entries are stored with. */
export interface CronSecretsContext {
  /** Those that this process knows, for entries that only name one. */
  readonly workers: readonly AnyWorker[];
  readonly sealer: Sealer;
}

/** Entries as they are stored, or each problem with its entry. */
export type HiddenCron =
  | { readonly ok: true; readonly definitions: readonly CronDefinition[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Redacts and encrypts the args of entries. One that names its worker as text is
 * treated as that worker says, if this process knows it; otherwise it is stored
 * as it is.
 */
export async function hideCronArgs(
  db: Database,
  { definitions, ...context }: CronSecretsContext & {
    readonly definitions: readonly CronDefinition[];
  },
): Promise<HiddenCron> {
  const known = new Map(
    context.workers.map(({ name, secrets }) => [name, secrets]),
  );
  const secretsOf = ({ secrets, worker }: CronDefinition) =>
    secrets ?? known.get(worker) ?? null;
  const names = definitions.filter((each) => encrypts(secretsOf(each)))
    .map(({ name }) => name);
  const before = names.length === 0 ? null : await findCronArgs(db, names);
  const hidden: CronDefinition[] = [];
  const problems: string[] = [];
  for (const definition of definitions) {
    const secrets = secretsOf(definition);
    const stored = before?.get(definition.name);
    const answer = isSealed(definition.args)
      ? `args can not have the name ${SEALED_KEY}: it is ours`
      : secrets === null
      ? definition
      : await hideOne(definition, { ...context, secrets, stored });
    if (typeof answer !== "string") hidden.push(answer);
    else problems.push(`cron entry "${definition.name}": ${answer}`);
  }
  return problems.length === 0
    ? { ok: true, definitions: hidden }
    : { ok: false, problems };
}

async function hideOne(
  definition: CronDefinition,
  { sealer, secrets, stored }: {
    readonly sealer: Sealer;
    readonly secrets: WorkerSecrets;
    /** As it is now, if it is there. */
    readonly stored: JsonObject | undefined;
  },
): Promise<CronDefinition | string> {
  const { worker } = definition;
  // Through JSON, as it is stored and compared.
  const given = JSON.parse(JSON.stringify(definition.args)) as JsonObject;
  const { left, paths } = takeOut(given, secrets.redact);
  const meta = withRedactedFields(definition.meta, paths);
  const sealed = await sealWith(sealer, { worker, secrets, left });
  if (!sealed.ok) return `${sealed.issue.path} ${sealed.issue.message}`;
  const { args } = sealed;
  const same = stored !== undefined &&
    await saysTheSame(stored, { args, left, worker, sealer });
  return { ...definition, args: same ? stored : args, meta };
}

/**
 * Whether stored args are these, encrypted before. Otherwise every start of every
 * process would change the entry, since no two encryptions are the same.
 */
async function saysTheSame(
  stored: JsonObject,
  { args, left, worker, sealer }: {
    readonly args: JsonObject;
    readonly left: JsonObject;
    readonly worker: string;
    readonly sealer: Sealer;
  },
): Promise<boolean> {
  const shape = (each: JsonObject) =>
    canonicalJson([clearArgs(each), sealedPartOf(each)?.fields ?? null]);
  if (!isSealed(stored) || !isSealed(args)) return false;
  if (shape(stored) !== shape(args)) return false;
  try {
    const opened = await sealer.open(stored, worker);
    return canonicalJson(opened) === canonicalJson(left);
  } catch {
    // Of a key that is gone, or changed: it is written anew.
    return false;
  }
}
