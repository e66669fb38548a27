/** What limiters cost: the same jobs without one, and with each kind. */
import type { Lab } from "../lab.ts";
import type { Scenario, Size } from "../interleave.ts";
import * as systems from "../systems.ts";
import { drains } from "./drains.ts";

const JOBS = 50_000;

/** Limiters that never block: what is measured is the asking. */
export const limiters: Scenario = {
  name: "limiters",
  run: (lab: Lab, size: Size) =>
    drains(lab, {
      name: "drain 50k with limiters",
      fill: "enqueue 1,000 per call with limiters",
      jobs: size.jobs(JOBS),
      rounds: size.rounds,
      systems: systems.LIMITED,
    }),
};
