import { assert } from "../assert.ts";
import { isWhole } from "../domain/job.ts";
import { parsePath } from "../domain/limiter.ts";

/** Which jobs share one call, and how long the first waits for the others. */
export interface ChunkOptions {
  /** Jobs of one call at most, 1 to 1,000. */
  readonly size: number;
  /**
   * How long the first job waits here for others, 0 to 60,000 milliseconds. 0,
   * also when left out: a call takes along what is there, and nothing waits.
   */
  readonly waitMs?: number;
  /**
   * Up to 5 paths into the args as they were enqueued, such as `"tenant"` or
   * `"customer.id"`: the jobs of one call have the same values there. A job with
   * nothing there shares a call with others of that kind.
   */
  readonly by?: readonly string[];
}

/** The same with its defaults. */
export type ChunkRule = Required<ChunkOptions>;

/** What {@linkcode ChunkOptions} allow. */
export const CHUNK_BOUNDS = {
  sizeMax: 1_000,
  waitMsMax: 60_000,
  byMax: 5,
} as const;

const KEYS = ["size", "waitMs", "by"];

/**
 * Checks the chunks of a worker and fills in what is left out.
 *
 * @throws {TypeError} With the first thing that is wrong.
 */
export function chunkRule(options: ChunkOptions, worker: string): ChunkRule {
  assert(
    typeof options === "object" && options !== null,
    `chunk of ${worker} is an object such as { size: 100 }`,
  );
  const { size, waitMs = 0, by = [] } = options;
  const { sizeMax, waitMsMax, byMax } = CHUNK_BOUNDS;
  const unknown = Object.keys(options).find((key) => !KEYS.includes(key));
  assert(unknown === undefined, `chunk.${unknown} of ${worker} is not known`);
  assert(
    isWhole(size, { least: 1, most: sizeMax }),
    `chunk.size of ${worker} is 1 to ${sizeMax} jobs`,
  );
  assert(
    isWhole(waitMs, { least: 0, most: waitMsMax }),
    `chunk.waitMs of ${worker} is 0 to ${waitMsMax} whole milliseconds`,
  );
  assert(
    Array.isArray(by) && by.length <= byMax &&
      by.every((path) => parsePath(path) !== null) &&
      new Set(by).size === by.length,
    `chunk.by of ${worker} is a list of at most ${byMax} different paths into ` +
      `the args, such as "customer.id"`,
  );
  return { size, waitMs, by: [...by] };
}
