/** What an entry stores besides its plan: of uniqueness, and without secrets. */
import type { Database } from "../db/database.ts";
import { withArgsVersion } from "../domain/args_version.ts";
import type { CronDefinition } from "../domain/cron_entry.ts";
import { weightProblem } from "../domain/limiter.ts";
import {
  type UniqueOptions,
  uniqueParts,
  uniqueRule,
} from "../domain/unique_key.ts";
import {
  type CronSecretsContext,
  type HiddenCron,
  hideCronArgs,
} from "./cron_secrets.ts";
import { checkOptions } from "./enqueue_options.ts";
import { type Fingerprints, needsFingerprintKey } from "./fingerprints.ts";

/** What entries are stored with. */
export interface CronStorageContext extends CronSecretsContext {
  readonly fingerprints: Fingerprints;
}

/**
 * Makes of entries what is stored of them: with the key that their jobs ask for,
 * of the args as they were given, and then without secrets. One that names its
 * worker as text is treated as that worker says, if this process knows it.
 */
export async function storedCron(
  db: Database,
  { definitions, fingerprints, ...context }: CronStorageContext & {
    readonly definitions: readonly CronDefinition[];
  },
): Promise<HiddenCron> {
  const known = new Map(context.workers.map((each) => [each.name, each]));
  const keyed: CronDefinition[] = [];
  const problems: string[] = [];
  for (const definition of definitions) {
    const worker = known.get(definition.worker);
    const unique = definition.unique ?? worker?.unique;
    const secrets = definition.secrets ?? worker?.secrets ?? null;
    const declared = { unique, secrets, idempotent: undefined };
    const label = `cron entry "${definition.name}"`;
    // Of a worker that defineWorker() made it was checked; of another by nobody.
    const [issue] = unique === undefined ? [] : checkOptions({ unique });
    if (issue !== undefined) {
      problems.push(`${label}: ${issue.path} of its worker ${issue.message}`);
      continue;
    }
    if (needsFingerprintKey(declared) && !fingerprints.isKeyed) {
      problems.push(
        `${label}: fingerprintKey is missing, and its jobs would be known by a ` +
          `digest of args that are hidden`,
      );
    }
    for (const limiter of definition.limiters ?? worker?.limiters ?? []) {
      const problem = weightProblem(limiter, definition.args);
      if (problem === null) continue;
      problems.push(`${label}: args.${limiter.weightBy} ${problem}`);
    }
    keyed.push(await withKey(definition, { unique, fingerprints }));
  }
  if (problems.length > 0) return { ok: false, problems };
  return await hideCronArgs(db, { ...context, definitions: keyed });
}

/** The same key that a call with these args would ask for. */
async function withKey(
  definition: CronDefinition,
  { unique, fingerprints }: {
    readonly unique: boolean | UniqueOptions | undefined;
    readonly fingerprints: Fingerprints;
  },
): Promise<CronDefinition> {
  const rule = uniqueRule(unique, undefined);
  if (rule === null) return { ...definition, uniqueness: null };
  const { queue, worker } = definition;
  const { args, meta } = JSON.parse(
    JSON.stringify({ args: definition.args, meta: definition.meta }),
  ) as Pick<CronDefinition, "args" | "meta">;
  const key = await fingerprints.of(
    uniqueParts(rule, { queue, worker, args, meta: withArgsVersion(meta, 1) }),
  );
  const { mode, states, periodMs, replace, debounce } = rule;
  const uniqueness = { key, mode, states, periodMs, replace, debounce };
  return { ...definition, uniqueness };
}
