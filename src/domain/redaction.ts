/** What of a worker's args is not stored, or not readable where it is stored. */
import type { Limiter } from "./limiter.ts";
import { isAtOrUnder, overlap, secretPathsProblem } from "./secret_paths.ts";

/** Ours: what a caller writes under this key of the meta is not kept. */
export const REDACTED_KEY = "__redacted_fields__";

/** What a worker says of its args, with its defaults filled in. */
export interface WorkerSecrets {
  /** Paths that are not stored at all. */
  readonly redact: readonly string[];
  /** Paths that are stored encrypted; `true`: all that is stored. */
  readonly encrypt: true | readonly string[];
}

/** What a worker says of its args; `null` if it says nothing. */
export function secretsOf(
  { redact = [], encrypt = false }: {
    readonly redact?: readonly string[] | undefined;
    readonly encrypt?: boolean | readonly string[] | undefined;
  },
): WorkerSecrets | null {
  const some = encrypt === false ? [] : encrypt;
  if (redact.length === 0 && some !== true && some.length === 0) return null;
  return { redact, encrypt: some };
}

/** Whether anything of it is encrypted. */
export function encrypts(secrets: WorkerSecrets | null): boolean {
  return secrets !== null &&
    (secrets.encrypt === true || secrets.encrypt.length > 0);
}

/**
 * What is wrong with the secrets of a worker, as the end of a sentence that
 * begins with the option; `null` if nothing is.
 *
 * Limiters read what is stored, in the database, on every path: what they need
 * must stay there.
 */
export function secretsProblem(
  { redact, encrypt }: WorkerSecrets,
  limiters: readonly Limiter[],
): { readonly option: "redact" | "encrypt"; readonly problem: string } | null {
  const redactProblem = secretPathsProblem(redact);
  if (redactProblem !== null) {
    return { option: "redact", problem: redactProblem };
  }
  const problem = encrypt === true ? null : secretPathsProblem(encrypt);
  if (problem !== null) {
    return { option: "encrypt", problem: `is true, or ${problem}` };
  }
  for (const path of encrypt === true ? [] : encrypt) {
    const redacted = redact.find((other) => isAtOrUnder(path, other));
    if (redacted === undefined) continue;
    const twice = `names ${path}, and ${redacted} is redacted: nothing is left`;
    return { option: "encrypt", problem: twice };
  }
  return limiterProblem({ redact, encrypt }, limiters);
}

function limiterProblem(
  { redact, encrypt }: WorkerSecrets,
  limiters: readonly Limiter[],
): ReturnType<typeof secretsProblem> {
  for (const { name, partitionBy, weightBy } of limiters) {
    for (const path of [partitionBy, weightBy]) {
      if (path === null) continue;
      const isHit = (other: string) => overlap(path, other);
      const needs = `hides ${path}, and limiter ${name} needs to read it`;
      if (redact.some(isHit)) return { option: "redact", problem: needs };
      if (encrypt === true || encrypt.some(isHit)) {
        return { option: "encrypt", problem: needs };
      }
    }
  }
  return null;
}

type Meta = Readonly<Record<string, unknown>>;

/** The meta of a job with a note of what was redacted; nothing needs none. */
export function withRedactedFields(
  meta: Meta,
  fields: readonly string[],
): Meta {
  if (fields.length > 0) return { ...meta, [REDACTED_KEY]: [...fields].sort() };
  if (!Object.hasOwn(meta, REDACTED_KEY)) return meta;
  const { [REDACTED_KEY]: _, ...rest } = meta;
  return rest;
}

/** Which fields of a job were redacted, as its meta says. */
export function redactedFieldsOf(meta: unknown): readonly string[] {
  if (typeof meta !== "object" || meta === null) return [];
  if (!Object.hasOwn(meta, REDACTED_KEY)) return [];
  const fields = (meta as { [REDACTED_KEY]?: unknown })[REDACTED_KEY];
  return secretPathsProblem(fields) === null ? fields as string[] : [];
}
