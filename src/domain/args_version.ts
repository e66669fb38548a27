/** The version of a job's args, which stands in its meta. */

/** Ours: what a caller writes under this key is not kept. */
export const ARGS_VERSION_KEY = "__args_version__";
/** Upgrading takes one step for each. */
export const ARGS_VERSION_MAX = 1_000;

/**
 * Which version the args of a job have. Without a note, or with one that is no
 * version, it is the first.
 */
export function argsVersionOf(meta: unknown): number {
  if (typeof meta !== "object" || meta === null) return 1;
  const version = (meta as { [ARGS_VERSION_KEY]?: unknown })[ARGS_VERSION_KEY];
  if (version === undefined) return 1;
  return isArgsVersion(version) ? version : 1;
}

/** The meta of a job with a note of the version; the first needs none. */
export function withArgsVersion(
  meta: Readonly<Record<string, unknown>>,
  version: number,
): Readonly<Record<string, unknown>> {
  if (version > 1) {
    for (const _ in meta) return { ...meta, [ARGS_VERSION_KEY]: version };
    return onlyVersion(version);
  }
  if (!Object.hasOwn(meta, ARGS_VERSION_KEY)) return meta;
  const { [ARGS_VERSION_KEY]: _, ...rest } = meta;
  return rest;
}

const ONLY_VERSION = new Map<number, Readonly<Record<string, unknown>>>();

/** One object for all jobs: those that share it are seen to be alike at once. */
function onlyVersion(version: number): Readonly<Record<string, unknown>> {
  let meta = ONLY_VERSION.get(version);
  if (meta === undefined) {
    meta = Object.freeze({ [ARGS_VERSION_KEY]: version });
    ONLY_VERSION.set(version, meta);
  }
  return meta;
}

/** Whether it can be a version of args. */
export function isArgsVersion(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 1 &&
    Number(value) <= ARGS_VERSION_MAX;
}

/** A job whose args were newer than the code that met it. */
export interface NewerArgs {
  readonly version: number;
  /** What the code knew. */
  readonly known: number;
}

/** How an event of the job tells it. */
export function newerArgsMessage({ version, known }: NewerArgs): string {
  return `Its args have version ${version}, and the code of this executor ` +
    `knows version ${known}`;
}

/** Reads it again, so that numbers are shown where messages are hidden. */
export function parseNewerArgs(message: string | null): NewerArgs | null {
  const [, version, known] =
    /^Its args have version (\d+), .* knows version (\d+)$/.exec(
      message ?? "",
    ) ?? [];
  return version === undefined || known === undefined
    ? null
    : { version: Number(version), known: Number(known) };
}
