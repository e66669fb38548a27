import assert from "node:assert/strict";
import fc from "fast-check";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { CRON_CATCH_UPS, CRON_OVERLAPS } from "../../src/domain/cron_entry.ts";
import {
  firesBetween,
  parseCronExpression,
} from "../../src/domain/cron_expression.ts";
import {
  pauseCronEntry,
  resumeCronEntry,
  runCronEntryNow,
} from "../../src/store/cron.ts";
import { type CronSlot, listCronSlots } from "../../src/store/cron_slots.ts";
import { complete, cronWorld, jobs, states } from "../support/cron_world.ts";
import { usePGlite } from "../support/pglite.ts";

const testDb = usePGlite();
const EXPRESSION = "*/10 * * * *";
const asked = { name: "hourly", principal: "ops" };

const step = fc.record({
  afterMs: fc.oneof(fc.nat(20_000), fc.nat(12 * 60_000), fc.nat(3 * 3_600_000)),
  // What happens before the pass; mostly nothing.
  act: fc.constantFrom("none", "none", "pause", "resume", "run", "complete"),
});

Deno.test("a scheduler deals with every instant once, whatever happens around it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...CRON_OVERLAPS),
      fc.constantFrom(...CRON_CATCH_UPS),
      fc.array(step, { minLength: 1, maxLength: 12 }),
      async (overlap, catchUp, steps) => {
        await using db = await testDb();
        const start = db.nowAt();
        const service = await cronWorld(db, {
          expression: EXPRESSION,
          overlap,
          catchUp,
          catchUpMax: 2,
        });
        for (const { afterMs, act } of steps) {
          db.advanceMs(afterMs);
          await perform(db, act);
          await service.runOnce();
        }

        const slots = await listCronSlots(db, { name: "hourly", limit: 1_000 });
        const planned = slots.filter((slot) => slot.kind === "scheduled");
        assert.deepEqual(
          planned.map((slot) => slot.plannedAt).reverse(),
          instants(start, db.nowAt()),
        );
        await assertJobsAgree(db, slots);
        if (overlap !== "allow") {
          const active = (await states(db)).filter((at) => at === "available");
          assert(active.length <= 1);
        }
      },
    ),
    { numRuns: 40 },
  );
});

function instants(after: Date, through: Date): Date[] {
  const parsed = parseCronExpression(EXPRESSION, "Etc/UTC");
  assert(parsed.ok);
  return firesBetween(parsed.expression, { after, through, limit: 1_000 });
}

async function perform(db: Database, act: string): Promise<void> {
  if (act === "pause") await pauseCronEntry(db, asked);
  if (act === "resume") await resumeCronEntry(db, asked);
  if (act === "run") await runCronEntryNow(db, asked);
  if (act === "complete") {
    for (const jobId of await jobs(db)) await complete(db, jobId);
  }
}

/** Every claimed slot has a job of its own, and there is no other job. */
async function assertJobsAgree(
  db: Database,
  slots: readonly CronSlot[],
): Promise<void> {
  const claimed = slots.filter((slot) => slot.state === "claimed");
  const ids = claimed.map((slot) => slot.jobId);
  assert.deepEqual([...ids].sort(), [...await jobs(db)].sort());
  assert(slots.filter((slot) => slot.state === "queued").length <= 1);
  const [entry] = await db.query<{ fine: boolean }>(sql`
    select not exists (
      select from yardmaster.jobs
      where id < active_from_id
        and not exists (
          select from yardmaster.outcomes where job_id = jobs.id
        )
    ) as fine
    from yardmaster.cron_entries
  `);
  assert(entry?.fine, "every job below active_from_id has ended");
}
