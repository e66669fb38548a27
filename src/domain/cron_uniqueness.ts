/** What the jobs of a cron entry ask for, besides being due. */
import { CRON_ON_TIME_MS } from "./cron_due.ts";
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

/**
 * A slot that is dealt with in time counts the period of its key from its planned
 * instant: otherwise an entry of each minute and a period of a minute would leave
 * out every other slot, whenever a pass is a little faster than the one before.
 */
export const COUNTS_FROM_PLAN_MS: number = CRON_ON_TIME_MS;
