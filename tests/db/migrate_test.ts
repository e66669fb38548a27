/** Migrations: one at a time, whatever starts together, breaks, or is older. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import {
  migrate,
  migrationPlan,
  migrationStatus,
  requireSchema,
} from "../../src/db/migrate.ts";
import { MIGRATIONS } from "../../src/db/migrations.gen.ts";
import type { Migration } from "../../src/db/schema_version.ts";
import { sql } from "../../src/db/sql.ts";
import { until } from "../support/until.ts";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { usePostgres } from "../support/postgres.ts";
import postgres from "postgres";

const testPostgres = usePostgres();

/** A database without our schema, as two processes see it. */
async function useEmptySchema(): Promise<
  AsyncDisposable & { readonly one: Database; readonly two: Database }
> {
  const world = await testPostgres();
  await world.db.script("drop schema if exists yard_2 cascade");
  function open(): postgres.Sql {
    return postgres(world.url, { max: 2, onnotice: () => {} });
  }
  const pools = [open(), open()] as const;
  return {
    one: postgresJs(pools[0], { schema: "yard_2" }),
    two: postgresJs(pools[1], { schema: "yard_2" }),
    async [Symbol.asyncDispose]() {
      await Promise.all(pools.map((pool) => pool.end({ timeout: 1 })));
      await world[Symbol.asyncDispose]();
    },
  };
}

/** A migration after ours, made up by a test. */
function step(
  version: number,
  sqlText: string,
  compatibleFrom = version - 1,
): Migration {
  const name = `step_${version}`;
  const checksum = `${version}: ${sqlText}`;
  return { version, name, checksum, compatibleFrom, sql: sqlText };
}

/** Numbers may be left out, but never come again. */
const LAST = MIGRATIONS.at(-1)?.version ?? 0;

Deno.test("migrate() brings an empty schema to the version of the code, once", async () => {
  await using world = await useEmptySchema();
  const before = await migrationStatus(world.one);
  const plan = await migrationPlan(world.one);
  const report = await migrate(world.one);
  const again = await migrate(world.one);
  const after = await migrationStatus(world.one);

  assert.deepEqual(
    [before.state, before.version, before.works, before.applied],
    ["missing", 0, false, []],
  );
  assert.match(
    before.message,
    /"yard_2" is empty and must be at version \d+; run /,
  );
  const names = MIGRATIONS.map(({ version, name }) => ({ version, name }));
  assert.deepEqual(plan.map(({ version, name }) => ({ version, name })), names);
  assert.match(String(plan[0]?.sql), /create table "yard_2"\.jobs/);
  assert.doesNotMatch(String(plan[0]?.sql), /yardmaster\./);
  assert.deepEqual(report, {
    schema: "yard_2",
    from: 0,
    to: LAST,
    applied: names,
  });
  assert.deepEqual(again, {
    schema: "yard_2",
    from: LAST,
    to: LAST,
    applied: [],
  });
  assert.deepEqual(
    [after.state, after.version, after.works, after.pending, after.message],
    ["current", LAST, true, [], ""],
  );
  assert.deepEqual(
    after.applied.map((row) => row.checksum),
    MIGRATIONS.map((each) => each.checksum),
  );
});

Deno.test("migrate() makes a schema that refers to no other", async () => {
  await using world = await useEmptySchema();
  await migrate(world.one);
  const rows = await world.one.query(sql`
    select proname as "name" from pg_proc
    where pronamespace = 'yard_2'::regnamespace
      and pg_get_functiondef(oid) ~ 'yardmaster\.'
    union all
    select viewname from pg_views
    where schemaname = 'yard_2' and definition ~ 'yardmaster\.'
  `);
  assert.deepEqual(rows, []);
  const [job] = await world.one.query<{ inSchema: boolean }>(sql`
    select yardmaster.next_job_id(${world.one.now}) > 0 as "inSchema"
  `);
  assert.deepEqual(job, { inSchema: true });
});

Deno.test("migrate() runs each migration once when processes start at once", async () => {
  for (let round = 0; round < 3; round++) {
    await using world = await useEmptySchema();
    const reports = await Promise.all([
      migrate(world.one),
      migrate(world.two),
      migrate(world.one),
      migrate(world.two),
    ]);
    assert.deepEqual(
      reports.flatMap((report) => report.applied.map((each) => each.version))
        .sort(),
      MIGRATIONS.map((each) => each.version),
    );
    assert.ok(reports.every((report) => report.to === LAST));
  }
});

Deno.test("migrate() keeps what was done before a fault, and goes on from there", async () => {
  await using world = await useEmptySchema();
  const good = step(LAST + 1, "create table yardmaster.extra (id integer)");
  const bad = step(
    LAST + 2,
    "create table yardmaster.half (id integer); select 1 / 0;",
  );
  await assert.rejects(
    migrate(world.one, { migrations: [...MIGRATIONS, good, bad] }),
    { code: "22012" },
  );
  const status = await migrationStatus(world.one, {
    migrations: [...MIGRATIONS, good, bad],
  });
  const [half] = await world.one.query(sql`
    select to_regclass('yardmaster.half') as "half"
  `);
  const mended = step(LAST + 2, "create table yardmaster.half (id integer)");
  const report = await migrate(world.two, {
    migrations: [...MIGRATIONS, good, mended],
  });

  assert.deepEqual([status.version, status.pending], [LAST + 1, [bad]]);
  assert.deepEqual(half, { half: null });
  assert.deepEqual(report.applied, [{ version: LAST + 2, name: mended.name }]);
});

Deno.test("migrate() goes on after a process was killed in the middle", async () => {
  await using world = await useEmptySchema();
  const slow = step(
    LAST + 1,
    "create table yardmaster.extra (id integer); select pg_sleep(60);",
  );
  const killed = assert.rejects(
    migrate(world.one, { migrations: [...MIGRATIONS, slow] }),
  );
  await until("the last migration runs", async () => {
    const rows = await world.two.query(sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where query like '%pg_sleep(60)%' and state = 'active'
        and pid <> pg_backend_pid() and datname = current_database()
    `);
    return rows.length > 0;
  });
  await killed;
  const report = await migrate(world.two, {
    migrations: [
      ...MIGRATIONS,
      step(LAST + 1, "create table yardmaster.extra (id integer)"),
    ],
  });
  assert.deepEqual([report.from, report.to], [LAST, LAST + 1]);
});

Deno.test("migrate() locks nobody out who has one table in hand and wants another", async () => {
  await using world = await useEmptySchema();
  await migrate(world.one);
  const both = step(
    LAST + 1,
    `alter table yardmaster.ready add column extra text;
     alter table yardmaster.leases add column extra text`,
  );
  const migrating = await world.two.transaction(async (tx) => {
    await tx.query(sql`select from yardmaster.leases`);
    const migrating = migrate(world.one, { migrations: [...MIGRATIONS, both] });
    // Fails the test where it was a deadlock, and not unseen meanwhile.
    migrating.catch(() => {});
    await until("it has tried", async () => {
      const rows = await world.two.query(sql`
        select from pg_stat_activity
        where query like 'lock table %' and datname = current_database()
      `);
      return rows.length > 0;
    });
    await tx.query(sql`select from yardmaster.ready`);
    return { report: migrating };
  });
  assert.equal((await migrating.report).to, LAST + 1);
});

Deno.test("migrate() refuses a migration that has changed since it ran", async () => {
  await using world = await useEmptySchema();
  await migrate(world.one);
  const changed = MIGRATIONS.map((each) =>
    each.version === 2 ? { ...each, checksum: "f".repeat(64) } : each
  );
  const refused = {
    name: "SchemaVersionError",
    code: "schema_version",
    version: LAST,
    target: LAST,
  };
  await assert.rejects(migrate(world.one, { migrations: changed }), {
    ...refused,
    message: new RegExp(
      `^Cannot migrate: the schema "yard_2" has migration 2 "cron" applied with ` +
        `checksum [0-9a-f]{12}, and it must be f{12}; install the release`,
    ),
  });
  await assert.rejects(
    requireSchema(world.one, { migrations: changed }),
    refused,
  );
});

Deno.test("migrate() refuses a schema that lacks one in the middle", async () => {
  await using world = await useEmptySchema();
  await migrate(world.one);
  await world.one.query(sql`
    delete from yardmaster.schema_migrations where version = 2
  `);
  await assert.rejects(migrate(world.one), { code: "schema_version" });
});

Deno.test("requireSchema() lets old and new code run on one schema, one step apart", async () => {
  await using world = await useEmptySchema();
  const old = { migrations: MIGRATIONS };
  const expand = step(
    LAST + 1,
    "alter table yardmaster.settings add column changed_at timestamptz",
  );
  const next = { migrations: [...MIGRATIONS, expand] };
  const contract = step(
    LAST + 2,
    "alter table yardmaster.settings alter column changed_at set not null",
  );
  const afterNext = { migrations: [...next.migrations, contract] };

  await migrate(world.one, old);
  // New code starts first, and has not migrated yet.
  await requireSchema(world.two, next);
  await migrate(world.two, next);
  // Old code goes on, starts anew, and finds nothing to migrate.
  await requireSchema(world.one, old);
  assert.deepEqual((await migrate(world.one, old)).applied, []);
  await world.one.query(
    sql`insert into yardmaster.settings values ('a', 'old')`,
  );
  await world.two.query(sql`
    insert into yardmaster.settings values ('b', 'new', ${world.two.now})
  `);
  const settings = await world.one.query(sql`
    select name, value from yardmaster.settings
    where name in ('a', 'b') order by name
  `);
  assert.deepEqual(settings, [
    { name: "a", value: "old" },
    { name: "b", value: "new" },
  ]);

  // Two steps are too many.
  await world.two.query(sql`
    update yardmaster.settings set changed_at = ${world.two.now}
  `);
  await migrate(world.two, afterNext);
  await requireSchema(world.two, next);
  const refused = {
    code: "schema_version",
    version: LAST + 2,
    target: LAST,
    message: new RegExp(
      `is at version ${LAST + 2} and must be at version ${LAST} or one that ` +
        `works with it \\(${LAST + 1} or newer code is needed\\)`,
    ),
  };
  await assert.rejects(requireSchema(world.one, old), refused);
  await assert.rejects(migrate(world.one, old), refused);
});

Deno.test("requireSchema() refuses a schema without what its code needs, and lets old code run on it", async () => {
  await using world = await useEmptySchema();
  const old = { migrations: MIGRATIONS };
  const needed = {
    ...step(LAST + 1, "create table yardmaster.needed (id integer)"),
    needed: true,
  };
  const next = { migrations: [...MIGRATIONS, needed] };
  await migrate(world.one, old);
  await assert.rejects(requireSchema(world.two, next), {
    name: "SchemaVersionError",
  });
  await migrate(world.two, next);
  await requireSchema(world.two, next);
  await requireSchema(world.one, old);
});

Deno.test("requireSchema() refuses a schema two steps behind, and one that is missing", async () => {
  await using world = await useEmptySchema();
  await assert.rejects(requireSchema(world.one), {
    code: "schema_version",
    message: /^Cannot start: the schema "yard_2" is empty and must be at /,
  });
  await migrate(world.one);
  await assert.rejects(
    requireSchema(world.one, {
      migrations: [...MIGRATIONS, step(LAST + 1, ""), step(LAST + 2, "")],
    }),
    {
      code: "schema_version",
      message:
        `Cannot start: the schema "yard_2" is at version ${LAST} and must be at ` +
        `version ${
          LAST + 2
        }; run "yardmaster migrate up" or await yard.migrate()`,
    },
  );
});

Deno.test("migrate() inside of a host's transaction is taken back with it", async () => {
  await using world = await useEmptySchema();
  await assert.rejects(world.one.transaction(async (tx) => {
    await migrate(tx);
    throw new Error("The host changed its mind");
  }));
  assert.equal((await migrationStatus(world.one)).state, "missing");
});

Deno.test("migrate() needs no right to create a schema that is there", async () => {
  await using world = await useEmptySchema();
  await world.one.script(`
    drop role if exists yard_owner;
    create role yard_owner;
    create schema yard_2 authorization yard_owner;
  `);
  await world.one.transaction(async (tx) => {
    await tx.script("set local role yard_owner");
    assert.equal((await migrate(tx)).to, LAST);
  });
  await world.one.script("drop owned by yard_owner; drop role yard_owner");
});
