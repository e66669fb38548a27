import { LOGGED } from "./faults/server_log.ts";

/** Settings of a Postgres that is crashed: what it said is written, is. */
export const DURABLE = {
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  max_connections: 200,
  shared_buffers: "64MB",
  max_wal_size: "256MB",
  // Deadlocks are found soon, and counted after each scenario.
  deadlock_timeout: "50ms",
  ...LOGGED,
} as const;
