/** What is done to the database, and to the way there. */
import type { Scenario } from "../scenario.ts";
import { databaseCrash, databaseRestart } from "./database_restart.ts";
import { databaseSchemaRace } from "./database_schema_race.ts";

export const DATABASE_SCENARIOS: readonly Scenario[] = [
  databaseRestart,
  databaseCrash,
  databaseSchemaRace,
];
