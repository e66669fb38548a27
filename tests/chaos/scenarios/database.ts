/** What is done to the database, and to the way there. */
import type { Scenario } from "../scenario.ts";
import { databaseClockOff } from "./database_clock_off.ts";
import { databaseConnectionsKilled } from "./database_connections_killed.ts";
import {
  databaseConnectionsForgotten,
  databaseWireHeld,
} from "./database_half_open.ts";
import { databaseDiskFull } from "./database_disk_full.ts";
import { databaseHintsLost } from "./database_hints_lost.ts";
import { databasePoolExhausted } from "./database_pool_exhausted.ts";
import { databaseReadOnly } from "./database_read_only.ts";
import { databaseCrash, databaseRestart } from "./database_restart.ts";
import { databaseSchemaRace } from "./database_schema_race.ts";
import { databaseStatementTimeout } from "./database_statement_timeout.ts";

export const DATABASE_SCENARIOS: readonly Scenario[] = [
  databaseRestart,
  databaseCrash,
  databaseConnectionsKilled,
  databaseConnectionsForgotten,
  databaseWireHeld,
  databasePoolExhausted,
  databaseStatementTimeout,
  databaseReadOnly,
  databaseDiskFull,
  databaseClockOff,
  databaseHintsLost,
  databaseSchemaRace,
];
