/** Jobs with limiters, as the scenarios of limiters enqueue them. */
import { defineLimiter, type Limiter } from "../../src/domain/limiter.ts";
import type { JobId } from "../../src/domain/job.ts";
import { createEngine } from "../../src/engine/engine.ts";
import {
  type AnyWorker,
  defineWorker,
  type Worker,
} from "../../src/engine/worker.ts";
import type { StepPlace } from "./step.ts";
import type { ChaosWorld } from "./world.ts";

export const IN_ALL: Limiter = defineLimiter({
  name: "in_all",
  concurrency: 6,
});
export const PER_KEY: Limiter = defineLimiter({
  name: "per_key",
  concurrency: 2,
  partitionBy: "key",
});
export const BUCKET: Limiter = defineLimiter({
  name: "bucket",
  rate: { capacity: 30, perMs: 1_000 },
  weight: "weight",
});
export const WINDOW: Limiter = defineLimiter({
  name: "window",
  rate: { algorithm: "fixed_window", capacity: 12, perMs: 1_000 },
  partitionBy: "key",
});
/** Keys of the jobs. Three times two is what runs in all. */
export const KEYS = ["a", "b", "c"] as const;

/** Which limiters hold a job. */
export type LimitedKind = "held" | "bucket" | "window";

export interface LimitedArgs {
  readonly ms: number;
  readonly key: string;
  readonly weight: number;
  /** So many attempts fail before one does not. */
  readonly fails: number;
}

const LIMITERS: Readonly<Record<LimitedKind, readonly Limiter[]>> = {
  held: [IN_ALL, PER_KEY],
  bucket: [BUCKET],
  window: [WINDOW],
};

type Tell = (
  place: StepPlace,
  run: { readonly jobId: JobId; readonly attempt: number },
) => void;

function limitedWorker(
  kind: LimitedKind,
  tell: Tell,
): Worker<LimitedArgs> & AnyWorker {
  return defineWorker<LimitedArgs>({
    name: kind,
    limiters: LIMITERS[kind],
    maxAttempts: 1_000,
    backoff: () => 50,
    perform: async ({ ms, fails }, run) => {
      tell("entered", run);
      tell("began", run);
      await new Promise((resolve) => setTimeout(resolve, ms));
      tell("ended", run);
      if (run.attempt <= fails) throw new Error("This attempt fails");
    },
  });
}

/** All of them, for a process that works. */
export function limitedWorkers(tell: Tell): AnyWorker[] {
  const kinds = Object.keys(LIMITERS) as LimitedKind[];
  return kinds.map((kind) => limitedWorker(kind, tell));
}

/** Enqueues limited jobs of which nothing may be lost. */
export async function enqueueLimited(
  world: ChaosWorld,
  kind: LimitedKind,
  args: readonly Partial<LimitedArgs>[],
): Promise<JobId[]> {
  const worker = limitedWorker(kind, () => {});
  const engine = createEngine({ database: world.db });
  const answers = await engine.enqueueMany(
    args.map((some) => ({
      worker,
      args: { ms: 10, key: "a", weight: 1, fails: 0, ...some },
    })),
  );
  await engine.stop();
  const ids = answers.flatMap((answer) =>
    answer.status === "inserted" ? [answer.job.id] : []
  );
  for (const id of ids) world.jobIds.add(id);
  return ids;
}

/** So many args, of keys and durations by chance; some fail at first. */
export function manyArgs(
  { random }: ChaosWorld,
  { jobs, msMax }: { readonly jobs: number; readonly msMax: number },
): LimitedArgs[] {
  return Array.from({ length: jobs }, (_, n) => ({
    ms: random.between(1, msMax),
    key: random.pick(KEYS),
    weight: random.between(1, 3),
    fails: n % 20 === 7 ? 1 : 0,
  }));
}
