import type { Database } from "../db/database.ts";
import type { OnEvent } from "../events.ts";
import { pruneCoverage } from "../store/cron_coverage.ts";
import { pruneCronSlots } from "../store/cron_slots.ts";
import { recordHistoryKeptFrom } from "../store/evidence.ts";
import { emptyOutputs, pruneEmptyOutputs } from "../store/output_retention.ts";
import { pruneReceipts } from "../store/receipts.ts";
import {
  pruneDefaultPartitions,
  pruneExecutors,
  pruneOldEvents,
} from "../store/retention.ts";
import {
  forgetClaimsOfGoneJobs,
  pruneUniqueKeys,
} from "../store/unique_keys.ts";
import type { Service, ServicePass } from "./service.ts";

/** What the pruner needs. */
export interface PrunerOptions {
  readonly database: Database;
  readonly onEvent: OnEvent;
  readonly keepMs: number;
}

/** Rows that one statement deletes. */
const BATCH_MAX = 1_000;
const INTERVAL_MS = 60_000;

/**
 * Deletes, a little at a time, what no partition takes with it: old jobs that
 * the default partitions caught, outputs that expired, claims of uniqueness and
 * receipts that hold nothing, executors that are long gone, and the history of
 * cron entries.
 */
export class Pruner implements Service {
  readonly name = "pruner";
  readonly intervalMs = INTERVAL_MS;
  readonly #options: PrunerOptions;
  /**
   * Claims up to here were looked at. It begins anywhere, as keys are mostly
   * digests: processes look at different ones, and one that never lives long
   * enough to come to the end does not always look at the same.
   */
  #claimsThrough: string | null = crypto.randomUUID();

  constructor(options: PrunerOptions) {
    this.#options = options;
  }

  async runOnce(): Promise<ServicePass> {
    const { database, onEvent, keepMs } = this.#options;
    const pruning = { keepMs, limit: BATCH_MAX };
    // First, so that no page takes for complete what is about to go.
    await recordHistoryKeptFrom(database, { keepMs });
    const jobs = await pruneDefaultPartitions(database, pruning);
    if (jobs > 0) onEvent({ type: "jobs_pruned", jobs });
    const rest = [
      await pruneOldEvents(database, pruning),
      await emptyOutputs(database, { limit: BATCH_MAX }),
      await pruneEmptyOutputs(database, { limit: BATCH_MAX }),
      await pruneUniqueKeys(database, { limit: BATCH_MAX }),
      await this.#forgetClaims(),
      await pruneReceipts(database, { limit: BATCH_MAX }),
      await pruneExecutors(database, pruning),
      await pruneCronSlots(database, pruning),
      await pruneCoverage(database, pruning),
    ];
    return { worked: [jobs, ...rest].some((count) => count >= BATCH_MAX) };
  }

  /**
   * A part at a time. It goes on at once where a tenth of a part is forgotten,
   * so that there are never many more of them than that.
   */
  async #forgetClaims(): Promise<number> {
    const { database, keepMs } = this.#options;
    const { forgotten, throughKey } = await forgetClaimsOfGoneJobs(database, {
      goneBeforeMs: keepMs,
      limit: BATCH_MAX,
      afterKey: this.#claimsThrough,
    });
    this.#claimsThrough = throughKey;
    return forgotten;
  }
}
