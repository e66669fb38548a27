/** A scenario does its worst; whatever it did, the same invariants are checked. */
import type { PostgresServer } from "../support/postgres_server.ts";
import { ServerLog } from "./faults/server_log.ts";
import { checkInvariants } from "./invariants.ts";
import { Random } from "./random.ts";
import { ChaosWorld, type Size } from "./world.ts";

export interface Scenario {
  /** Such as `kill-at-random`, for `--only`. */
  readonly name: string;
  /** What it proves, as a sentence. */
  readonly about: string;
  /** Longer than this is a failure; 60 s, and 5 minutes in the long form. */
  readonly limitMs?: Readonly<Record<Size, number>>;
  /** Why it can not run on this machine, or `null`. */
  unavailable?(): Promise<string | null>;
  /**
   * Enqueues, starts workers, breaks things, and waits until all jobs ended. It
   * throws when what it waits for does not come.
   */
  run(world: ChaosWorld): Promise<void>;
}

/** What a scenario found. */
export interface Findings {
  readonly name: string;
  readonly jobs: number;
  readonly faults: number;
  /** Runs that began. */
  readonly executions: number;
  /** Of them, those whose result was refused: others had taken the job over. */
  readonly fenced: number;
  /** Jobs without an outcome, or that stand in two places. */
  readonly lost: number;
  readonly doubleOutcomes: number;
  readonly recoveryMsMax: number;
  /** The whole of it, with its database and its checks. */
  readonly tookMs: number;
  /** Other numbers that a scenario measured. */
  readonly measured: Readonly<Record<string, number>>;
  /** One line for each invariant that does not hold; none is what we want. */
  readonly broken: readonly string[];
}

const LIMIT_MS = { short: 120_000, long: 300_000 } as const;

/** Runs one scenario in a database of its own. */
export async function runScenario(scenario: Scenario, options: {
  readonly server: PostgresServer;
  readonly seed: number;
  readonly size: Size;
  /** How long those that can go on do so, in the long form. */
  readonly minutes: number;
}): Promise<Findings> {
  const { name } = scenario;
  const sinceMs = performance.now();
  const random = new Random(options.seed, name);
  const log = new ServerLog(options.server);
  await using world = await ChaosWorld.open({ ...options, name, random });
  const limitMs = (scenario.limitMs ?? LIMIT_MS)[options.size];
  const broken: string[] = [];
  let stopTimer = () => {};
  const late = new Promise<never>((_, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`It took longer than ${limitMs / 1_000} seconds`)),
      limitMs,
    );
    stopTimer = () => clearTimeout(timer);
  });
  try {
    await Promise.race([scenario.run(world), late]);
  } catch (error) {
    broken.push(error instanceof Error ? error.message : String(error));
    broken.push(...world.lastWords());
  } finally {
    stopTimer();
  }
  await world.endWorkers();
  const found = await checkInvariants(world);
  const deadlocks = log.deadlocks();
  return {
    name,
    jobs: world.jobIds.size,
    faults: world.faults,
    ...found,
    recoveryMsMax: Math.round(world.recoveryMsMax),
    tookMs: Math.round(performance.now() - sinceMs),
    measured: world.measured,
    broken: [...broken, ...found.broken, ...deadlocks],
  };
}
