import type { Database } from "../db/database.ts";
import type { JobId } from "../domain/job.ts";
import { pruneStaleLanes, replaceMisplaced } from "../store/limited.ts";
import {
  pruneLimiterFacts,
  pruneLimiterGrants,
  pruneLimiterPartitions,
} from "../store/limiter_retention.ts";
import type { Service, ServicePass } from "./service.ts";

/** What the keeper of limiters needs. */
export interface LimiterKeeperOptions {
  readonly database: Database;
  /** How long the history stays. */
  readonly keepMs: number;
  /** Is told where there is work now. */
  readonly onReady: (queues: readonly string[]) => void;
}

/** Rows that one statement moves or deletes. */
const BATCH_MAX = 5_000;
const INTERVAL_MS = 60_000;

/**
 * Brings jobs to where they belong that a process of other code put elsewhere,
 * and deletes what limiters left behind.
 */
export class LimiterKeeper implements Service {
  readonly name = "limiter_keeper";
  readonly intervalMs = INTERVAL_MS;
  readonly #options: LimiterKeeperOptions;
  /** Ready jobs up to here were looked at. */
  #throughId: JobId | null = null;
  /** Partitions that were counted up to then were looked at. */
  #throughUs: `${bigint}` | null = null;

  constructor(options: LimiterKeeperOptions) {
    this.#options = options;
  }

  async runOnce(): Promise<ServicePass> {
    const { database, keepMs, onReady } = this.#options;
    const limit = BATCH_MAX;
    const { moved, queues, throughId } = await replaceMisplaced(database, {
      limit,
      afterId: this.#throughId,
    });
    this.#throughId = throughId;
    if (moved > 0) onReady(queues);
    await pruneStaleLanes(database);
    const { pruned, throughUs } = await pruneLimiterPartitions(database, {
      limit,
      afterUs: this.#throughUs,
    });
    this.#throughUs = throughUs;
    const counts = [
      moved,
      pruned,
      await pruneLimiterGrants(database, { limit }),
      await pruneLimiterFacts(database, { keepMs, limit }),
    ];
    return { worked: counts.some((count) => count >= limit) };
  }
}
