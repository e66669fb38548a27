/** What a receipt costs: the same jobs handed in with one and without. */
import type { Lab } from "../lab.ts";
import {
  type Bench,
  interleave,
  type Scenario,
  type Size,
} from "../interleave.ts";
import type { Sample } from "../results.ts";
import * as systems from "../systems.ts";
import { warmUp } from "./drains.ts";
import { handIn } from "./enqueues.ts";

const PER_CALL = 1_000;
const JOBS = 20_000;

/** One by one, and 1,000 in a call. */
export const receipts: Scenario = {
  name: "receipts",
  run: (lab: Lab, size: Size) =>
    interleave(lab, {
      systems: [systems.OURS, systems.OURS_IDEMPOTENT],
      rounds: size.rounds,
      async warmUp({ station }) {
        await warmUp(station, 2_000);
        await station.child.call("enqueue", { forMs: 300, width: 1 });
      },
      measure: async (bench) => [
        await handIn(bench, "enqueue one by one, with a receipt or without", {
          command: "enqueue",
          params: {
            forMs: { smoke: 200, quick: 1_000, full: 3_000 }[size.mode],
            width: 1,
          },
        }),
        await fill(bench, size.jobs(JOBS)),
      ],
    }),
};

async function fill(
  { station, system }: Bench,
  jobs: number,
): Promise<Sample> {
  const { value: { value: tookMs }, cost } = await station.cost(() =>
    station.child.call<number>("fill", { jobs, perCall: PER_CALL })
  );
  const scenario = "enqueue 1,000 per call, with receipts or without";
  const value = jobs / tookMs * 1_000;
  return { scenario, system: system.name, value, unit: "jobs/s", jobs, cost };
}
