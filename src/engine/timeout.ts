import { isWhole, JOB_BOUNDS } from "../domain/job.ts";
import type { RunWithArgs } from "./run_context.ts";

/**
 * How long an attempt may take: whole milliseconds from 1, or a function that
 * says so for each run, once its args are read; its `null` is no limit. When it
 * throws or answers with something else, the attempt fails and says why.
 */
export type TimeoutMs<Args = unknown> =
  | number
  | ((run: RunWithArgs<Args>) => number | null);

/** Whether a timer can be set for it. */
export function isTimeoutMs(value: unknown): value is number {
  return isWhole(value, { least: 1, most: JOB_BOUNDS.delayMsMax });
}
