/** All scenarios, in the order in which they run. */
import type { Scenario } from "./scenario.ts";
import { chunksKilled } from "./scenarios/chunks_killed.ts";
import { DATABASE_SCENARIOS } from "./scenarios/database.ts";
import { frozenProcess } from "./scenarios/frozen_process.ts";
import { frozenStatement } from "./scenarios/frozen_statement.ts";
import { gracefulStop } from "./scenarios/graceful_stop.ts";
import { killAtEachStep } from "./scenarios/kill_at_each_step.ts";
import { killAtRandom } from "./scenarios/kill_at_random.ts";
import { limitedDatabaseRestart } from "./scenarios/limited_database_restart.ts";
import {
  limitedKilled,
  limitedRatesKilled,
} from "./scenarios/limited_killed.ts";
import { limitedReconfigured } from "./scenarios/limited_reconfigured.ts";
import { lostAnswers } from "./scenarios/lost_answers.ts";
import { overload } from "./scenarios/overload.ts";
import { rollingDeploy } from "./scenarios/rolling_deploy.ts";

export const SCENARIOS: readonly Scenario[] = [
  killAtRandom,
  killAtEachStep,
  gracefulStop,
  frozenProcess,
  frozenStatement,
  lostAnswers,
  overload,
  rollingDeploy,
  limitedKilled,
  limitedRatesKilled,
  limitedReconfigured,
  limitedDatabaseRestart,
  chunksKilled,
  ...DATABASE_SCENARIOS,
];
