/** Entries that are dealt with together, held against the same one by one. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { CRON_CATCH_UPS } from "../../src/domain/cron_entry.ts";
import { defineLimiter } from "../../src/domain/limiter.ts";
import { pauseCronEntry, resumeCronEntry } from "../../src/store/cron.ts";
import { syncCronEntries } from "../../src/store/cron_sync.ts";
import { declareLimiters } from "../../src/store/limiter_declarations.ts";
import type { Notice } from "../../src/store/notices.ts";
import { define, scheduler } from "../support/cron_world.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();

/** A database that counts what it is asked. */
function counted(db: Database): { db: Database; asked: () => number } {
  let count = 0;
  const wrap = (inner: Database): Database => ({
    schema: inner.schema,
    get now() {
      return inner.now;
    },
    query: (...args) => (count += 1, inner.query(...args)),
    script: (...args) => inner.script(...args),
    transaction: (work, options) =>
      inner.transaction((tx) => work(wrap(tx)), options),
  });
  return { db: wrap(db), asked: () => count };
}

async function written(db: Database): Promise<unknown[]> {
  return await db.query(sql`
    select slot.planned_at as "plannedAt", slot.state::text as "state",
      job.queue, job.worker, job.args, job.tags, job.priority,
      job.meta #- '{cron,name}' as "meta", entry.evaluated_through as "through",
      entry.last_run_at as "lastRunAt", ready.job_id is not null as "ready"
    from yardmaster.cron_slots as slot
    join yardmaster.cron_entries as entry on entry.name = slot.entry_name
    left join yardmaster.jobs as job on job.id = slot.job_id
    left join yardmaster.ready on ready.job_id = job.id
    order by slot.entry_name, slot.planned_at
  `);
}

const step = fc.record({
  afterMs: fc.oneof(fc.nat(20_000), fc.nat(12 * 60_000), fc.nat(3 * 3_600_000)),
  act: fc.constantFrom("none", "none", "pause", "resume"),
});

Deno.test("entries that are dealt with together leave what each of them would have left alone", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...CRON_CATCH_UPS),
      fc.array(step, { minLength: 1, maxLength: 8 }),
      async (catchUp, steps) => {
        const plan = {
          expression: "*/10 * * * *",
          overlap: "allow",
          catchUp,
          catchUpMax: 2,
        } as const;
        const left: unknown[][] = [];
        for (const names of [["one"], ["one", "two", "three"]]) {
          await using db = await testDb();
          const entries = names.map((name) => define({ ...plan, name }));
          await syncCronEntries(db, entries);
          const service = scheduler(db);
          await service.runOnce();
          for (const { afterMs, act } of steps) {
            db.advanceMs(afterMs);
            for (const name of names) {
              const asked = { name, principal: "ops" };
              if (act === "pause") await pauseCronEntry(db, asked);
              if (act === "resume") await resumeCronEntry(db, asked);
            }
            await service.runOnce();
          }
          left.push(await written(db));
        }
        const [alone = [], together = []] = left;
        assert.equal(together.length, alone.length * 3);
        for (let nth = 0; nth < 3; nth++) {
          const own = together.slice(
            nth * alone.length,
            (nth + 1) * alone.length,
          );
          assert.deepEqual(own, alone);
        }
      },
    ),
    { numRuns: 12 },
  );
});

Deno.test("two hundred entries that are due cost a handful of statements, and one hint for each queue", async () => {
  await using db = await testDb();
  const entries = Array.from({ length: 200 }, (_, nth) =>
    define({
      name: `entry_${nth}`,
      expression: "* * * * *",
      overlap: "allow",
      queue: nth % 2 === 0 ? "even" : "odd",
    }));
  await syncCronEntries(db, entries);
  const told: Notice[] = [];
  const { db: asking, asked } = counted(db);
  const service = scheduler(asking, told);
  await service.runOnce();
  db.advanceMs(60_000);
  const before = asked();
  await service.runOnce();
  assert.ok(asked() - before <= 8, `${asked() - before} statements`);
  assert.equal((await written(db)).length, 200);
  assert.equal(told.length, 1);
  assert.deepEqual(
    told.map((notice) => notice.t === "ready" && [...notice.q].sort()),
    [["even", "odd"]],
  );
});

Deno.test("an entry that can not be dealt with is told by its name, and the others of its batch fire", async () => {
  await using db = await testDb();
  const names = ["good_a", "bad", "good_b"];
  const entries = names.map((name) =>
    define({ name, expression: "* * * * *", overlap: "allow" })
  );
  await syncCronEntries(db, entries);
  const faults: string[] = [];
  const service = scheduler(db, [], faults);
  await service.runOnce();
  await db.query(sql`
    alter table yardmaster.cron_slots add constraint no_bad_slot
      check (entry_name <> 'bad') not valid
  `);
  db.advanceMs(60_000);
  await service.runOnce();
  assert.deepEqual(faults, ["bad"]);
  assert.equal((await written(db)).length, 2);
});

Deno.test("what a limiter refuses of a batch leaves a slot without a job", async () => {
  await using db = await testDb();
  const limiter = defineLimiter({
    name: "two",
    rate: { algorithm: "fixed_window", capacity: 2, perMs: 60_000 },
    at: "enqueue",
  });
  const limiters = [limiter];
  await declareLimiters(db, {
    limiters,
    workers: [{ name: "sync", limiters }],
  });
  const entries = ["a", "b", "c"].map((name) =>
    define({ name, expression: "* * * * *", overlap: "allow" })
  );
  await syncCronEntries(db, entries);
  const service = scheduler(db);
  await service.runOnce();
  db.advanceMs(60_000);
  await service.runOnce();
  const rows = await db.query<{ state: string; jobId: string | null }>(sql`
    select state::text, job_id::text as "jobId" from yardmaster.cron_slots
    order by entry_name
  `);
  assert.deepEqual(rows.map(({ state }) => state), [
    "claimed",
    "claimed",
    "skipped",
  ]);
  assert.deepEqual(rows.map(({ jobId }) => jobId === null), [
    false,
    false,
    true,
  ]);
});
