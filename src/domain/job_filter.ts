import { SEALED_KEY } from "./sealed_args.ts";

/** Narrows a list of jobs. What is absent does not narrow. */
export interface JobFilter {
  readonly queue?: string;
  /** The whole name, or its beginning followed by `*`. */
  readonly worker?: string;
  /** A job must have all of them. */
  readonly tags?: readonly string[];
  /** JSON text of an object that must be contained in the args. */
  readonly argsJson?: string;
  /** The same for the meta. */
  readonly metaJson?: string;
  readonly cronEntry?: string;
}

/** The fields of a filter, as a person fills them in. */
export const JOB_FILTER_FIELDS = [
  "queue",
  "worker",
  "tags",
  "args",
  "meta",
  "cron",
] as const;
/** One of {@linkcode JOB_FILTER_FIELDS}. */
export type JobFilterField = typeof JOB_FILTER_FIELDS[number];

/** Why a field does not apply, and what would. */
export const JOB_FILTER_PROBLEMS = {
  too_long: "This is too long to be one of ours.",
  not_text: "This holds a character that no stored text can hold.",
  too_many_tags: "At most 20 tags can be asked for at once.",
  not_json: 'Invalid JSON. Write an object, such as {"customer": 42}.',
  not_an_object:
    'This is JSON, but not an object. Write one, such as {"customer": 42}.',
  not_storable: "This JSON holds a value that the database can not store.",
  encrypted:
    'Of what is encrypted only the key can be searched for: {"__encrypted__": {"key": "2026-11"}}.',
} as const;
/** One of the keys of {@linkcode JOB_FILTER_PROBLEMS}. */
export type JobFilterProblem = keyof typeof JOB_FILTER_PROBLEMS;

/** The fields that apply, and what is wrong with the others. */
export interface ParsedJobFilter {
  readonly filter: JobFilter;
  readonly problems: Readonly<
    Partial<Record<JobFilterField, JobFilterProblem>>
  >;
}

const NAME_MAX = 128;
const JSON_MAX = 4_000;
const TAGS_MAX = 20;

/**
 * Reads a filter that a person wrote. Any text gives a filter: a field that can
 * not be read has its problem told, and the others still apply.
 *
 * @example A field that can not be read does not take the others along
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseJobFilter } from "./job_filter.ts";
 *
 * assert.deepEqual(parseJobFilter({ queue: " mail ", args: "{" }), {
 *   filter: { queue: "mail" },
 *   problems: { args: "not_json" },
 * });
 * ```
 */
export function parseJobFilter(
  texts: Readonly<Partial<Record<JobFilterField, string>>>,
): ParsedJobFilter {
  const filter: Record<string, unknown> = {};
  const problems: Partial<Record<JobFilterField, JobFilterProblem>> = {};
  for (const field of JOB_FILTER_FIELDS) {
    const text = texts[field]?.trim() ?? "";
    if (text === "") continue;
    const { key, read } = FIELDS[field];
    const answer = read(text);
    if (answer.ok) filter[key] = answer.value;
    else problems[field] = answer.problem;
  }
  return { filter: filter as JobFilter, problems };
}

type Answer =
  | { readonly ok: true; readonly value: string | readonly string[] }
  | { readonly ok: false; readonly problem: JobFilterProblem };

interface Field {
  readonly key: keyof JobFilter;
  readonly read: (text: string) => Answer;
}

const FIELDS: Record<JobFilterField, Field> = {
  queue: { key: "queue", read: readName },
  worker: { key: "worker", read: readName },
  tags: { key: "tags", read: readTags },
  args: { key: "argsJson", read: readArgs },
  meta: { key: "metaJson", read: readObject },
  cron: { key: "cronEntry", read: readName },
};

function readName(text: string): Answer {
  if (text.length > NAME_MAX) return refused("too_long");
  if (text.includes("\0")) return refused("not_text");
  return { ok: true, value: text };
}

function readTags(text: string): Answer {
  const tags = text.split(",").map((tag) => tag.trim()).filter(Boolean);
  if (tags.length > TAGS_MAX) return refused("too_many_tags");
  if (tags.some((tag) => tag.length > NAME_MAX)) return refused("too_long");
  if (text.includes("\0")) return refused("not_text");
  return { ok: true, value: [...new Set(tags)] };
}

/** Two jobs of one ciphertext have the same args, which is nobody's business. */
function readArgs(text: string): Answer {
  const answer = readObject(text);
  if (!answer.ok) return answer;
  const { [SEALED_KEY]: sealed = {} } = JSON.parse(text);
  const asksForKey = typeof sealed === "object" && sealed !== null &&
    Object.keys(sealed).every((name) => name === "key");
  return asksForKey ? answer : refused("encrypted");
}

/** The text goes on as it was typed: parsing would round large numbers. */
function readObject(text: string): Answer {
  if (text.length > JSON_MAX) return refused("too_long");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refused("not_json");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refused("not_an_object");
  }
  // Postgres refuses these in `jsonb`: a zero character, half of a surrogate
  // pair, and a number with more digits than `numeric` has.
  const storable = JSON.stringify(value);
  if (
    /\\u0000|\\ud[89a-f]/i.test(storable) || !text.isWellFormed() ||
    /\de[+-]?\d{4}/i.test(text)
  ) return refused("not_storable");
  return { ok: true, value: text };
}

function refused(problem: JobFilterProblem): Answer {
  return { ok: false, problem };
}
