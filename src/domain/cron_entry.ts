import { withArgsVersion } from "./args_version.ts";
import { parseCronExpression } from "./cron_expression.ts";
import type { CronUniqueness } from "./cron_uniqueness.ts";
import {
  areTags,
  CRON_NAME_LENGTH_MAX,
  isCronName,
  isObject,
  isStorableObject,
  isTexts,
} from "./cron_values.ts";
import { JOB_BOUNDS, normalizeTags } from "./job.ts";
import { withRedactedFields, type WorkerSecrets } from "./redaction.ts";
import type { Limiter } from "./limiter.ts";
import type { UniqueOptions } from "./unique_key.ts";

/** Who wrote an entry down: the same list as the enum `cron_source`. */
export const CRON_SOURCES = ["code", "runtime"] as const;
/** One of {@linkcode CRON_SOURCES}. */
export type CronSource = typeof CRON_SOURCES[number];

/** What happens when an entry fires while a job of it has not ended. */
export const CRON_OVERLAPS = [
  /** Another job. */
  "allow",
  /** No job. */
  "skip",
  /** One job more, as soon as those before have ended; beyond one, no job. */
  "queue_one",
  /** The jobs before are cancelled, also while they run; then another job. */
  "cancel_previous",
] as const;
/** One of {@linkcode CRON_OVERLAPS}. */
export type CronOverlap = typeof CRON_OVERLAPS[number];

/** What happens with planned instants that nobody dealt with in time. */
export const CRON_CATCH_UPS = [
  /** They are recorded as missed. */
  "none",
  /** The newest becomes a job, the others are recorded as missed. */
  "latest",
  /** The newest `catchUpMax` become jobs, the others are recorded as missed. */
  "all",
] as const;
/** One of {@linkcode CRON_CATCH_UPS}. */
export type CronCatchUp = typeof CRON_CATCH_UPS[number];

/** Bounds that the database checks as well, and what is taken for granted. */
export const CRON_BOUNDS = {
  nameLengthMax: CRON_NAME_LENGTH_MAX,
  catchUpMax: 1_000,
  timezoneDefault: "Etc/UTC",
  queueDefault: "default",
  overlapDefault: "queue_one",
  catchUpDefault: "latest",
  catchUpMaxDefault: 10,
} as const;

/** A cron entry as a host writes it down. */
export interface CronDeclaration {
  /** 1 to 128 characters, unique. */
  readonly name: string;
  /** Five fields, six with seconds in front, or a nickname such as `@daily`. */
  readonly expression: string;
  /** An IANA name; `Etc/UTC` when left out. */
  readonly timezone?: string;
  /** A worker, whose own settings then count, or only its name. */
  readonly worker: string | CronWorker;
  /** What its jobs are given; an empty object when left out. */
  readonly args?: Readonly<Record<string, unknown>>;
  /** Notes that no worker reads. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Where its jobs wait; the worker's own queue when left out. */
  readonly queue?: string;
  /** 0 (first) to 9; the worker's own when left out. */
  readonly priority?: number;
  /** 1 to 1,000; the worker's own when left out. */
  readonly maxAttempts?: number;
  /** The worker's own when left out. */
  readonly tags?: readonly string[];
  /** Its jobs may run for so long after they fired. */
  readonly deadlineMs?: number | null;
  /** `queue_one` when left out. */
  readonly overlap?: CronOverlap;
  /** `latest` when left out. */
  readonly catchUp?: CronCatchUp;
  /** For `all`: 0 to 1,000, 10 when left out. */
  readonly catchUpMax?: number;
  /** `false`: its jobs are inserted whatever its worker says of uniqueness. */
  readonly unique?: false;
}

/** What an entry takes from its worker. */
export interface CronWorker {
  /** By which executors know it. */
  readonly name: string;
  /** Where its jobs wait; `default` when left out. */
  readonly queue?: string;
  /** 0 (first) to 9; 0 when left out. */
  readonly priority?: number;
  /** 1 to 1,000; 20 when left out. */
  readonly maxAttempts?: number;
  /** On each of its jobs, where the entry has none of its own. */
  readonly tags?: readonly string[];
  /** From the firing; `null` or left out: never too late. */
  readonly deadlineMs?: number | null;
  /** Of the args that the entry gives; 1 when only the name is given. */
  readonly version?: number;
  /** What of the args is redacted or encrypted; `null`: nothing. */
  readonly secrets?: WorkerSecrets | null;
  /** When two of its jobs count as the same; never when left out. */
  readonly unique?: boolean | UniqueOptions | undefined;
  /** Whose weight the args that the entry gives must not exceed. */
  readonly limiters?: readonly Limiter[];
}

/** A declaration that was checked, with everything filled in. */
export interface CronDefinition {
  readonly name: string;
  readonly worker: string;
  readonly queue: string;
  readonly expression: string;
  readonly timezone: string;
  readonly args: Readonly<Record<string, unknown>>;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly priority: number;
  readonly maxAttempts: number;
  readonly tags: readonly string[];
  readonly deadlineMs: number | null;
  readonly overlap: CronOverlap;
  readonly catchUp: CronCatchUp;
  readonly catchUpMax: number;
  /** Of a worker that was given, not of one that is only named. */
  readonly secrets?: WorkerSecrets | null;
  /** Of that worker too; `false` where the entry says so. */
  readonly unique?: boolean | UniqueOptions;
  /** Of that worker too. */
  readonly limiters?: readonly Limiter[];
  /** What is stored of it, with the key; null or left out: none is asked for. */
  readonly uniqueness?: CronUniqueness | null;
}

/** What {@linkcode parseCronEntry} answers. */
export type ParsedCronEntry =
  | { readonly ok: true; readonly definition: CronDefinition }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Checks a declaration and fills in what it leaves out.
 *
 * @returns Every problem at once, each a sentence. Never throws, whatever a
 * caller without types hands in.
 */
export function parseCronEntry(declaration: CronDeclaration): ParsedCronEntry {
  if (!isObject(declaration)) {
    return { ok: false, problems: ["A cron entry must be an object"] };
  }
  const definition = filledIn(declaration);
  const problems = [...problemsOf(definition)];
  if (declaration.unique !== undefined && declaration.unique !== false) {
    problems.push("unique must be false or left out: the worker says the rest");
  }
  return problems.length === 0
    ? { ok: true, definition }
    : { ok: false, problems };
}

/**
 * Checks several declarations; a name may come once.
 *
 * @returns The definitions, or every problem with the name of its entry.
 */
export function parseCronEntries(
  declarations: readonly CronDeclaration[],
):
  | { readonly ok: true; readonly definitions: readonly CronDefinition[] }
  | { readonly ok: false; readonly problems: readonly string[] } {
  const definitions = new Map<string, CronDefinition>();
  const problems: string[] = [];
  for (const [index, declaration] of declarations.entries()) {
    const parsed = parseCronEntry(declaration);
    if (!parsed.ok) {
      const label = labelOf(declaration, index);
      problems.push(...parsed.problems.map((text) => `${label}: ${text}`));
    } else if (definitions.has(parsed.definition.name)) {
      problems.push(`${labelOf(declaration, index)}: its name is used twice`);
    } else {
      definitions.set(parsed.definition.name, parsed.definition);
    }
  }
  return problems.length === 0
    ? { ok: true, definitions: [...definitions.values()] }
    : { ok: false, problems };
}

function filledIn(declaration: CronDeclaration): CronDefinition {
  const worker: CronWorker = isObject(declaration.worker)
    ? declaration.worker as CronWorker
    : { name: declaration.worker as string };
  const { unique = worker.unique } = declaration;
  return {
    name: declaration.name,
    worker: worker.name,
    queue: declaration.queue ?? worker.queue ?? CRON_BOUNDS.queueDefault,
    expression: typeof declaration.expression === "string"
      ? declaration.expression.trim()
      : declaration.expression,
    timezone: declaration.timezone ?? CRON_BOUNDS.timezoneDefault,
    args: declaration.args ?? {},
    meta: metaOf(declaration.meta ?? {}, worker.version ?? 1),
    priority: declaration.priority ?? worker.priority ?? 0,
    maxAttempts: declaration.maxAttempts ?? worker.maxAttempts ??
      JOB_BOUNDS.maxAttemptsDefault,
    tags: tagsOf(declaration.tags ?? worker.tags ?? []),
    deadlineMs: declaration.deadlineMs ?? worker.deadlineMs ?? null,
    overlap: declaration.overlap ?? CRON_BOUNDS.overlapDefault,
    catchUp: declaration.catchUp ?? CRON_BOUNDS.catchUpDefault,
    catchUpMax: declaration.catchUpMax ?? CRON_BOUNDS.catchUpMaxDefault,
    ...(worker.secrets && { secrets: worker.secrets }),
    ...(unique !== undefined && { unique }),
    ...(worker.limiters && { limiters: worker.limiters }),
  };
}

/** With the version of the args; what is no object is left for the check. */
function metaOf(
  meta: CronDefinition["meta"],
  version: number,
): CronDefinition["meta"] {
  return isObject(meta) && !Array.isArray(meta)
    ? withArgsVersion(withRedactedFields(meta, []), version)
    : meta;
}

/** Tags as jobs have them; what is no list of text is left for the check. */
function tagsOf(tags: readonly string[]): readonly string[] {
  return isTexts(tags) ? normalizeTags(tags) : tags;
}

function* problemsOf(definition: CronDefinition): Generator<string> {
  for (const key of ["name", "worker", "queue"] as const) {
    if (!isCronName(definition[key])) {
      yield `${key} must be text of 1 to ${CRON_BOUNDS.nameLengthMax} characters, without spaces around it`;
    }
  }
  const parsed = parseCronExpression(
    definition.expression,
    definition.timezone,
  );
  if (!parsed.ok) yield parsed.message;

  for (const key of ["args", "meta"] as const) {
    if (!isStorableObject(definition[key])) {
      yield `${key} must be an object that JSON can hold, of at most ${JOB_BOUNDS.jsonLengthMax} characters`;
    }
  }
  if (!areTags(definition.tags)) {
    yield `tags must be a list of at most ${JOB_BOUNDS.tagsMax} texts, each of at most ${JOB_BOUNDS.tagLengthMax} characters`;
  }
  yield* numberProblems(definition);
  if (!CRON_OVERLAPS.includes(definition.overlap)) {
    yield `overlap must be one of ${CRON_OVERLAPS.join(", ")}`;
  }
  if (!CRON_CATCH_UPS.includes(definition.catchUp)) {
    yield `catchUp must be one of ${CRON_CATCH_UPS.join(", ")}`;
  }
}

function* numberProblems(definition: CronDefinition): Generator<string> {
  const bounds = {
    priority: [0, JOB_BOUNDS.priorityMax],
    maxAttempts: [1, JOB_BOUNDS.maxAttemptsMax],
    catchUpMax: [0, CRON_BOUNDS.catchUpMax],
  } as const;
  for (const key of ["priority", "maxAttempts", "catchUpMax"] as const) {
    const [min, max] = bounds[key];
    const value = definition[key];
    if (!Number.isInteger(value) || value < min || value > max) {
      yield `${key} must be a whole number from ${min} to ${max}`;
    }
  }
  const { deadlineMs } = definition;
  if (deadlineMs === null) return;
  if (
    !Number.isFinite(deadlineMs) || deadlineMs <= 0 ||
    deadlineMs > JOB_BOUNDS.delayMsMax
  ) {
    yield `deadlineMs must be above 0 and at most ${JOB_BOUNDS.delayMsMax}`;
  }
}

function labelOf(declaration: CronDeclaration, index: number): string {
  const name: unknown = isObject(declaration) ? declaration.name : undefined;
  return typeof name === "string" && name !== ""
    ? `cron entry ${JSON.stringify(name.slice(0, 60))}`
    : `cron[${index}]`;
}
