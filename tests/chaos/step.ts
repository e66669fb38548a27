import {
  type AnyWorker,
  defineWorker,
  type Worker,
} from "../../src/engine/worker.ts";
import type { JobId } from "../../src/domain/job.ts";

export interface StepArgs {
  /** How long a run takes. It does not heed its signal. */
  readonly ms: number;
  /** From this instant on it takes no time: what it waits for is well again. */
  readonly easyFromMs?: number;
  /** So many attempts fail before one does not; 0. */
  readonly fails?: number;
}

/** Where a run is, as it goes on. */
export type StepPlace = "entered" | "began" | "ended";

/** The job of all scenarios: it says where it is, and takes a little while. */
export function stepWorker(
  tell: (
    place: StepPlace,
    run: { readonly jobId: JobId; readonly attempt: number },
  ) => void,
): Worker<StepArgs> & AnyWorker {
  return defineWorker<StepArgs>({
    name: "step",
    maxAttempts: 1_000,
    backoff: () => 50,
    perform: async ({ ms, easyFromMs = Infinity, fails = 0 }, run) => {
      tell("entered", run);
      tell("began", run);
      if (Date.now() < easyFromMs) {
        await new Promise((resolve) => setTimeout(resolve, ms));
      }
      tell("ended", run);
      if (run.attempt <= fails) throw new Error("This attempt fails");
    },
  });
}
