import type { Database } from "../db/database.ts";
import type { OnEvent } from "../events.ts";
import { stageJobs } from "../store/scheduled.ts";
import type { Service, ServicePass } from "./service.ts";

/** What the stager needs. */
export interface StagerOptions {
  readonly database: Database;
  readonly onEvent: OnEvent;
  /** Is told where there is work now. */
  readonly onReady: (queues: readonly string[]) => void;
}

/** Jobs that one statement stages. */
const BATCH_MAX = 1_000;
/** Another process may plan something earlier than what we wait for. */
const SLEEP_MS_MAX = 1_000;

/** Makes due jobs ready, and sleeps exactly until the next one is due. */
export class Stager implements Service {
  readonly name = "stager";
  readonly #options: StagerOptions;

  constructor(options: StagerOptions) {
    this.#options = options;
  }

  async runOnce(): Promise<ServicePass> {
    const { database, onEvent, onReady } = this.#options;
    const pass = await stageJobs(database, { limit: BATCH_MAX });
    if (pass.staged > 0) {
      onEvent({ type: "jobs_staged", jobs: pass.staged });
      onReady(pass.queues);
    }
    // Rounded up: a timer that is early finds nothing.
    const nextInMs = Math.min(
      Math.ceil(pass.nextInMs ?? SLEEP_MS_MAX),
      SLEEP_MS_MAX,
    );
    return { worked: pass.staged === BATCH_MAX, nextInMs };
  }
}
