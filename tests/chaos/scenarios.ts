/** All scenarios, in the order in which they run. */
import type { Scenario } from "./scenario.ts";
import { killAtRandom } from "./scenarios/kill_at_random.ts";

export const SCENARIOS: readonly Scenario[] = [
  killAtRandom,
];
