import type { Database } from "../db/database.ts";
import type { JobId } from "../domain/job.ts";
import type { OnEvent } from "../events.ts";
import { markMissingExecutors } from "../store/executors.ts";
import { rescueLeases } from "../store/leases.ts";
import type { Service, ServicePass } from "./service.ts";

/** What the lifeline needs. */
export interface LifelineOptions {
  readonly database: Database;
  readonly onEvent: OnEvent;
  readonly onReady: (queues: readonly string[]) => void;
  /** Is told whose last attempt is gone with its executor. */
  readonly onEnded: (jobIds: readonly JobId[]) => void;
  readonly missingAfterMs: number;
}

/** Leases that one statement takes apart; each holds up to 1,000 jobs. */
const LEASES_MAX = 20;
const INTERVAL_MS_MAX = 5_000;
const INTERVAL_MS_LEAST = 100;

/**
 * Brings back the work of executors that are gone. Every process does it, and
 * those that do it at the same time share the work: nobody has to be there.
 */
export class Lifeline implements Service {
  readonly name = "lifeline";
  readonly intervalMs: number;
  readonly #options: LifelineOptions;

  constructor(options: LifelineOptions) {
    this.#options = options;
    this.intervalMs = Math.min(
      Math.max(options.missingAfterMs / 10, INTERVAL_MS_LEAST),
      INTERVAL_MS_MAX,
    );
  }

  async runOnce(): Promise<ServicePass> {
    const { database, onEvent, onReady, onEnded } = this.#options;
    const missing = await markMissingExecutors(database);
    if (missing.length > 0) {
      onEvent({ type: "executors_missing", executors: missing.length });
    }
    const { rescued, discarded, queues, discardedIds } = await rescueLeases(
      database,
      { limit: LEASES_MAX },
    );
    if (rescued + discarded === 0) return { worked: false };
    onEvent({ type: "jobs_rescued", rescued, discarded });
    if (rescued > 0) onReady(queues);
    onEnded(discardedIds);
    return { worked: true };
  }
}
