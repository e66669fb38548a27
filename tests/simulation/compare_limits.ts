/** Whether the tables of limiters say what the model says. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { type LimitedModel, nameOf } from "./model_limits.ts";

/** Fails where tables and model differ. */
export async function compareLimits(
  model: LimitedModel,
  db: Database,
): Promise<void> {
  await comparePlaces(model, db);
  await compareGrants(model, db);
  await compareUse(model, db);
}

/** Each waits in the lane of its keys, and each lane is known to who claims. */
async function comparePlaces(
  model: LimitedModel,
  db: Database,
): Promise<void> {
  const rows = await db.query<Record<string, unknown>>(sql`
    select limited.job_id::text as "id", limited.weights,
      lane.queue, lane.worker, lane.limiters, lane.keys
    from yardmaster.limited
    left join lateral (
      select queue, worker, limiters, keys from yardmaster.lanes
      where lanes.id = limited.lane_id
      union
      select queue, worker, limiters, keys from yardmaster.lane_arrivals
      where lane_arrivals.lane_id = limited.lane_id
    ) as lane on true
    order by limited.job_id
  `);
  const expected = model.waiting()
    .sort((a, b) => BigInt(a.id) < BigInt(b.id) ? -1 : 1)
    .map((job) => {
      const shares = model.sharesOf(job);
      return {
        id: job.id,
        weights: shares.map(({ weight }) => weight),
        queue: job.queue,
        worker: job.worker,
        limiters: shares.map(({ limiter }) => limiter),
        keys: shares.map(({ key }) => key),
      };
    });
  assert.deepEqual(rows.map((row) => ({ ...row })), expected);
}

/** What runs holds what it was granted; what else is there holds nothing. */
async function compareGrants(
  model: LimitedModel,
  db: Database,
): Promise<void> {
  const rows = await db.query<{ line: string }>(sql`
    select concat_ws(' ', limiter, key, weight, lease_id, given.job_id) as line
    from yardmaster.limiter_grants as given
    join yardmaster.leases on leases.id = given.lease_id
      and given.job_id = any (leases.job_ids)
    order by 1
  `);
  const expected = model.liveGrants().map(({ limiter, key, weight, place }) =>
    `${limiter} ${key} ${weight} ${place}`
  );
  assert.deepEqual(
    rows.map(({ line }) => line).sort(),
    expected.sort(),
    "grants",
  );
}

/** Who looks at a rate sees the same; a place without a row is unused. */
async function compareUse(model: LimitedModel, db: Database): Promise<void> {
  const rows = await db.query<
    {
      limiter: string;
      key: string;
      used: number;
      countedMs: number;
      cooldownMs: number | null;
    }
  >(sql`
    select limiter, key, used,
      (extract(epoch from counted_at) * 1000)::float8 as "countedMs",
      (extract(epoch from cooldown_until) * 1000)::float8 as "cooldownMs"
    from yardmaster.limiter_partitions
  `);
  const told = new Map(rows.map((row) => [nameOf(row), row]));
  for (const [name, part] of model.parts) {
    const [limiter = "", key = ""] = name.split(" ");
    const row = told.get(name) ?? { used: 0, countedMs: 0, cooldownMs: null };
    const isOn = (part.cooldownUntil ?? 0) > model.nowMs;
    if (isOn) assert.equal(row.cooldownMs, part.cooldownUntil, name);
    else assert.ok((row.cooldownMs ?? 0) <= model.nowMs, name);
    const { kind, perMs } = model.known.get(limiter)?.limiter ?? {};
    if (kind === "concurrency" || !perMs) continue;
    const since = model.nowMs - row.countedMs;
    const left = kind === "fixed_window"
      ? since >= perMs ? 0 : row.used
      : Math.max(
        row.used - Math.max(since, 0) * model.capacityOf(limiter) / perMs,
        0,
      );
    const used = model.usedOf({ limiter, key });
    assert.ok(Math.abs(left - used) < 1e-6, `${name}: ${left} is not ${used}`);
  }
}
