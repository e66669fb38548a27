/** What a host's role or database may set, and what is refused at once. */
import assert from "node:assert/strict";
import postgres from "postgres";
import { postgresJs } from "../../src/db/postgres_js.ts";
import type { Database } from "../../src/db/database.ts";
import { BOUND_IDLE } from "../../src/db/session.ts";
import { sql } from "../../src/db/sql.ts";
import { DatabaseSettingsError } from "../../src/errors.ts";
import { createYardmaster } from "../../src/yardmaster.ts";
import { defineWorker } from "../../src/engine/worker.ts";
import { DEEDS, takeFailures } from "../support/deeds.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();

type Settings = Readonly<Record<string, string>>;

/** A connection as a role with these settings gets it. */
async function withSettings(
  url: string,
  settings: Settings,
  work: (db: Database) => Promise<void>,
): Promise<void> {
  const pool = postgres(url, {
    max: 2,
    fetch_types: false,
    onnotice: () => {},
    connection: settings as Record<string, string>,
  });
  try {
    await work(postgresJs(pool));
  } finally {
    await pool.end({ timeout: 1 });
  }
}

const REFUSED: readonly (readonly [name: string, value: string])[] = [
  ["default_transaction_isolation", "serializable"],
  ["default_transaction_isolation", "repeatable read"],
  ["default_transaction_read_only", "on"],
  ["DateStyle", "SQL, DMY"],
  ["DateStyle", "German"],
  ["bytea_output", "escape"],
  ["array_nulls", "off"],
  ["standard_conforming_strings", "off"],
];

/** Several at a time: none of them changes what a statement means. */
const WORK: readonly Settings[] = [
  {
    timezone: "Asia/Kathmandu",
    DateStyle: "ISO, DMY",
    IntervalStyle: "sql_standard",
    search_path: "nowhere",
    row_security: "off",
    quote_all_identifiers: "on",
    plan_cache_mode: "force_custom_plan",
    lock_timeout: "2s",
    statement_timeout: "20s",
    transform_null_equals: "on",
    enable_indexscan: "off",
  },
  {
    timezone: "Etc/GMT+12",
    IntervalStyle: "iso_8601",
    synchronous_commit: "off",
    extra_float_digits: "-15",
    plan_cache_mode: "force_generic_plan",
    default_transaction_deferrable: "on",
    client_encoding: "LATIN1",
  },
];

Deno.test("start() refuses connections whose settings break statements, by the name of each", async () => {
  await using world = await testPostgres();
  const worker = defineWorker({ name: "work", perform: () => {} });
  for (const [name, value] of REFUSED) {
    await withSettings(world.directUrl, { [name]: value }, async (database) => {
      const yard = createYardmaster({ database, workers: [worker] });
      await assert.rejects(yard.start(), (error) => {
        assert.ok(error instanceof DatabaseSettingsError);
        assert.deepEqual(error.settings, [name]);
        assert.match(error.message, new RegExp(`${name} is "${value}`));
        return true;
      });
    });
  }
});

for (const settings of WORK) {
  Deno.test(`everything works with ${Object.keys(settings).join(", ")}`, async () => {
    await using world = await testPostgres();
    await withSettings(world.directUrl, settings, async (db) => {
      for (const deed of DEEDS) {
        await deed.run(db, await deed.given?.(db) ?? "");
        assert.deepEqual(takeFailures(db), [], deed.name);
      }
    });
  });
}

Deno.test("the limit of an open transaction is read in whatever unit and style it is set, and a shorter one stays", async () => {
  await using world = await testPostgres();
  const styles = ["postgres", "postgres_verbose", "sql_standard", "iso_8601"];
  const limits = [
    ["0", "10s"],
    ["2500", "2500ms"],
    ["9s", "9s"],
    ["1min", "10s"],
    ["2h", "10s"],
    ["20d", "10s"],
  ] as const;
  for (const IntervalStyle of styles) {
    await withSettings(world.directUrl, { IntervalStyle }, async (db) => {
      for (const [set, expected] of limits) {
        await db.transaction(async (tx) => {
          // As a role has it: what `begin` finds, said once more.
          await tx.query(sql`
            select set_config('idle_in_transaction_session_timeout', ${set}, true)
          `);
          await tx.script(BOUND_IDLE);
          const [row] = await tx.query<{ limit: string }>(sql`
            select current_setting('idle_in_transaction_session_timeout')
              as "limit"
          `);
          assert.equal(row?.limit, expected, `${set} in ${IntervalStyle}`);
        });
      }
    });
  }
});
