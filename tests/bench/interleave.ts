/** The same for all systems in turns, so that the noise meets all of them. */
import type { Lab, Station } from "./lab.ts";
import type { Sample } from "./results.ts";
import type { System } from "./systems.ts";

/** How much is measured. */
export interface Size {
  readonly mode: "smoke" | "quick" | "full";
  readonly rounds: number;
  /** A tenth, a hundredth …: how many of the jobs of `full`. */
  readonly jobs: (ofFull: number) => number;
}

/** One scenario, for all its systems. */
export interface Scenario {
  readonly name: string;
  /** Left out of `--quick`. */
  readonly onlyFull?: boolean;
  run(lab: Lab, size: Size): Promise<Sample[]>;
}

/** A system at work in its own database. */
export interface Bench {
  readonly system: System;
  readonly station: Station;
  readonly round: number;
}

export interface Turns {
  readonly systems: readonly System[];
  readonly rounds: number;
  /** Processes of each. */
  readonly processes?: number;
  /** Once, before anything is measured. */
  warmUp(bench: Omit<Bench, "round">): Promise<void>;
  measure(bench: Bench): Promise<Sample[]>;
}

/** Every system once in each round, beginning with another one each time. */
export async function interleave(
  lab: Lab,
  { systems, rounds, processes = 1, warmUp, measure }: Turns,
): Promise<Sample[]> {
  await using stack = new AsyncDisposableStack();
  const benches: Omit<Bench, "round">[] = [];
  for (const system of systems) {
    const station = stack.use(await lab.database());
    await station.start(system, processes);
    await warmUp({ system, station });
    station.pause();
    benches.push({ system, station });
  }
  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round++) {
    const from = round % benches.length;
    const turn = [...benches.slice(from), ...benches.slice(0, from)];
    for (const bench of turn) {
      bench.station.resume();
      await bench.station.tidy();
      const found = await measure({ ...bench, round });
      bench.station.pause();
      for (const { scenario, system, value, unit } of found) {
        console.error(
          `${scenario}, round ${round + 1}: ${system}: ` +
            `${value.toPrecision(4)} ${unit}`,
        );
      }
      samples.push(...found);
    }
  }
  return samples;
}
