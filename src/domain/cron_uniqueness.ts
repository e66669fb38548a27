/** What the jobs of a cron entry ask for, besides being due. */
import type { UniqueRule } from "./unique_key.ts";

/**
 * What an entry stores of the uniqueness of its worker. The args of an entry are
 * always the same, and so is the key of its jobs: it is made once, where the args
 * were given, and whoever fires the entry needs neither worker nor secret.
 */
export interface CronUniqueness
  extends
    Pick<UniqueRule, "mode" | "states" | "periodMs" | "replace" | "debounce"> {
  readonly key: string;
}
