import type { Database } from "../db/database.ts";
import type { OnEvent } from "../events.ts";
import { dropOutputs } from "../store/output_retention.ts";
import {
  createPartition,
  dropDay,
  listMissingPartitions,
  listOldDays,
} from "../store/partitions.ts";
import type { Service, ServicePass } from "./service.ts";

/** What the partitioner needs. */
export interface PartitionerOptions {
  readonly database: Database;
  readonly onEvent: OnEvent;
  readonly keepMs: number;
}

/** If no process runs for so long, the default partition catches the rest. */
const DAYS_AHEAD = 3;
const INTERVAL_MS = 600_000;
/** What could not be done, because others were at work, is tried soon. */
const RETRY_MS = 30_000;

/**
 * Creates the partitions of the next days and drops those whose evidence is no
 * longer kept. Every process does it; whoever finds it done, or a lock taken,
 * does nothing.
 */
export class Partitioner implements Service {
  readonly name = "partitioner";
  readonly intervalMs = INTERVAL_MS;
  readonly #options: PartitionerOptions;

  constructor(options: PartitionerOptions) {
    this.#options = options;
  }

  async runOnce(): Promise<ServicePass> {
    const { database, onEvent, keepMs } = this.#options;
    let created = 0;
    let dropped = 0;
    let later = 0;
    const missing = await listMissingPartitions(database, {
      daysAhead: DAYS_AHEAD,
    });
    for (const partition of missing) {
      if (await createPartition(database, partition)) created += 1;
      else later += 1;
    }
    for (const day of await listOldDays(database, { olderThanMs: keepMs })) {
      if (await dropDay(database, { day, keepMs })) dropped += 1;
      else later += 1;
    }
    const ofOutputs = await listOldDays(database, {
      olderThanMs: keepMs,
      tables: ["outputs"],
    });
    for (const day of ofOutputs) {
      // One that stays does so for days: there is no hurry.
      if (await dropOutputs(database, day)) dropped += 1;
    }
    if (created + dropped > 0) {
      onEvent({ type: "partitions_changed", created, dropped });
    }
    return { worked: false, ...(later > 0 && { nextInMs: RETRY_MS }) };
  }
}
