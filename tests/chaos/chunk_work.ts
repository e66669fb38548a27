/** Jobs that share calls, as the scenario of chunks enqueues them. */
import type { JobId } from "../../src/domain/job.ts";
import { defineChunkWorker } from "../../src/engine/chunk_worker.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { snooze } from "../../src/engine/verdict.ts";
import type { AnyWorker, Worker } from "../../src/engine/worker.ts";
import type { StepPlace } from "./step.ts";
import type { ChaosWorld } from "./world.ts";

export interface ChunkArgs {
  readonly tenant: string;
  /** How long the call takes; the longest of its jobs counts. */
  readonly ms: number;
  /** So many attempts fail before one does not. */
  readonly fails: number;
  /** Its first attempt comes again, and is not counted. */
  readonly snoozes: boolean;
}

type Tell = (
  place: StepPlace,
  run: { readonly jobId: JobId; readonly attempt: number },
) => void;

const SNOOZE_MS = 40;
const WAIT_MS = 100;

/** Half of its jobs have their answer early, and the others when it returns. */
export function chunkStepWorker(tell: Tell): Worker<ChunkArgs> & AnyWorker {
  const snoozed = new Set<JobId>();
  return defineChunkWorker<ChunkArgs>({
    name: "chunk",
    chunk: { size: 12, waitMs: WAIT_MS, by: ["tenant"] },
    maxAttempts: 1_000,
    backoff: () => 50,
    async perform(jobs, chunk) {
      const tenants = new Set(jobs.map(({ args }) => args.tenant));
      // It would never end, and so the scenario would not.
      if (tenants.size > 1) throw new Error("This call has two tenants");
      for (const job of jobs) tell("entered", job);
      for (const job of jobs) tell("began", job);
      const ms = Math.max(...jobs.map(({ args }) => args.ms));
      await new Promise((resolve) => setTimeout(resolve, ms));
      for (const [n, job] of jobs.entries()) {
        tell("ended", job);
        const { fails, snoozes } = job.args;
        if (job.attempt <= fails) {
          chunk.fail(job, new Error("This attempt fails"));
        } else if (snoozes && !snoozed.has(job.jobId)) {
          snoozed.add(job.jobId);
          chunk.decide(job, snooze(SNOOZE_MS));
        } else if (n % 2 === 0) chunk.complete(job);
      }
    },
  });
}

/** Enqueues jobs of three tenants, of which nothing may be lost. */
export async function enqueueForChunks(
  world: ChaosWorld,
  jobs: number,
): Promise<void> {
  const worker = chunkStepWorker(() => {});
  const engine = createEngine({ database: world.db });
  const answers = await engine.enqueueMany(
    Array.from({ length: jobs }, (_, n) => ({
      worker,
      args: {
        tenant: world.random.pick(["a", "b", "c"]),
        ms: world.random.between(1, 60),
        fails: n % 20 === 7 ? 1 : 0,
        snoozes: n % 20 === 11,
      },
    })),
  );
  await engine.stop();
  for (const answer of answers) {
    if (answer.status === "inserted") world.jobIds.add(answer.job.id);
  }
}
