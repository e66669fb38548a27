import { isSealed } from "../domain/sealed_args.ts";
import { isPlain, performRun } from "./attempt.ts";
import type { Clock } from "./clock.ts";
import type { HookCalls } from "./hook_calls.ts";
import { isNewer } from "./newer_args.ts";
import type { Run } from "./run.ts";
import type { Sealer } from "./sealer.ts";
import type { Settler } from "./settler.ts";
import type { AnyWorker } from "./worker.ts";

/** What the performer needs. */
export interface PerformerOptions {
  readonly settler: Settler;
  readonly hooks: HookCalls;
  readonly clock: Clock;
  readonly sealer: Sealer;
}

/** Calls the code of workers, and sees to it that each run is settled. */
export class Performer {
  readonly #options: PerformerOptions;

  constructor(options: PerformerOptions) {
    this.#options = options;
  }

  /** Resolves when the code of the worker has ended. Never throws. */
  async perform(run: Run, worker: AnyWorker): Promise<void> {
    const { settler, hooks, clock, sealer } = this.#options;
    // Cancelled, or lost, while it waited for its slot.
    if (run.aborted !== null) return settler.giveBack(run);
    if (settler.setTimers(run, worker) === "expired") return;
    if (isNewer(run, worker)) return settler.turnAway(run, worker);
    const sealed = isSealed(run.job.args);
    const key = sealed ? sealer.unknownKeyOf(run.job.args) : null;
    if (key !== null) return settler.turnAwaySealed(run, key);
    try {
      const value = isPlain(worker) && !sealed
        ? await worker.perform(run.job.args as never, run as never)
        : await performRun(run, {
          worker,
          hooks,
          clock,
          sealer,
          restartTimers: () => settler.setTimers(run, worker),
        });
      settler.end(run, { worker, value });
    } catch (error) {
      if (run.settled) return;
      // What a run throws once it was told to stop says nothing about the job.
      if (run.aborted !== null) return settler.giveBack(run);
      settler.fail(run, { worker, kind: "failed", error });
    }
  }
}
