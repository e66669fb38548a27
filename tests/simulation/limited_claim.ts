/**
 * A claim of limited jobs, held against what the model allows. Which of several
 * lanes is served first is not the model's: but each in its order, nothing that
 * is blocked, and all that is not.
 */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { JobId } from "../../src/domain/job.ts";
import { lookAtLanes, releaseGrants } from "../../src/store/lanes.ts";
import type { ClaimedJob } from "../../src/store/leases.ts";
import { claimLimitedJobs } from "../../src/store/limited_claims.ts";
import type { ModelDemand } from "./model.ts";
import { type LimitedModel, nameOf } from "./model_limits.ts";
import type { ModelJob } from "./model_types.ts";

interface Place {
  readonly model: LimitedModel;
  readonly db: Database;
}

/** Releases, looks and claims, as the producer of limited jobs does. */
export async function claimLimitedFor(
  { model, db }: Place,
  demand: ModelDemand,
  /** Else nobody has told of what ended; it holds nothing all the same. */
  { releases }: { readonly releases: boolean } = { releases: true },
): Promise<readonly ClaimedJob[]> {
  const ended = [...model.grants.keys()]
    .flatMap((place) => place.split(" ")[1] ?? []) as JobId[];
  await release({ model, db }, demand, releases ? ended : []);
  const due = await listDue({ model, db });
  for (const { queue, worker, shares } of due.values()) {
    const isWanted = demand.workers.includes(worker) &&
      roomOf(model, demand, queue) > 0;
    if (isWanted) model.look(shares);
  }
  const lanes = lanesOf(model);
  const { jobs } = await claimLimitedJobs(db, demand);
  const claimed = jobs.map(({ jobId }) => {
    const job = model.jobs.get(jobId);
    assert.ok(job, `${jobId} is known`);
    return job;
  });
  mustBeInOrder(claimed, lanes);
  for (const [index, job] of claimed.entries()) {
    begin(model, { job, run: jobs[index] as ClaimedJob, demand });
  }
  mustFit(model, claimed);
  mustBeAll(model, { demand, due, lanes, claimed });
  return jobs;
}

/** What ended wakes as many lanes as it made room for. */
async function release(
  { model, db }: Place,
  { workers, queues }: ModelDemand,
  ended: readonly JobId[],
): Promise<void> {
  const { freed, held } = await releaseGrants(db, ended);
  if (ended.length > 0) {
    const running = model.liveGrants()
      .map(({ place }) => place.split(" ")[1]);
    assert.deepEqual(new Set(held), new Set(running));
    await noneIsDead(db);
  }
  const before = await Promise.all(freed.map((each) => asleep(db, each)));
  const names = queues.map(({ queue }) => queue);
  await lookAtLanes(db, { queues: names, workers, freed });
  for (const [index, each] of freed.entries()) {
    const left = Math.max((before[index] ?? 0) - each.room, 0);
    assert.ok(await asleep(db, each) <= left, `${nameOf(each)} sleeps on`);
  }
  const arrivals = await db.query(sql`
    select from yardmaster.lane_arrivals
    where worker = any (${[...workers]}::text[])
  `);
  assert.equal(arrivals.length, 0, "all arrivals have lanes");
}

/** No grant is left that holds nothing. */
export async function noneIsDead(db: Database): Promise<void> {
  const dead = await db.query(sql`
    select from yardmaster.limiter_grants as given
    where not exists (
      select from yardmaster.leases
      where leases.id = lease_id and given.job_id = any (job_ids)
    )
  `);
  assert.equal(dead.length, 0, "grants that hold nothing stay");
}

async function asleep(
  db: Database,
  { limiter, key }: { readonly limiter: string; readonly key: string },
): Promise<number> {
  const rows = await db.query(sql`
    select from yardmaster.lanes
    where blocked_limiter = ${limiter} and blocked_key = ${key}
      and look_at > ${db.now}
  `);
  return rows.length;
}

/** Lanes by a name that says all that makes one. */
type Lanes = ReadonlyMap<string, readonly ModelJob[]>;

function lanesOf(model: LimitedModel): Lanes {
  return Map.groupBy(model.waiting(), (job) => laneOf(model, job));
}

function laneOf(model: LimitedModel, job: ModelJob): string {
  const shares = model.sharesOf(job).map(nameOf);
  return [job.queue, job.worker, ...shares].join("|");
}

/** Lanes that are worth a look now. */
async function listDue({ db }: Place): Promise<ReadonlyMap<string, DueLane>> {
  const rows = await db.query<
    { queue: string; worker: string; limiters: string[]; keys: string[] }
  >(sql`
    select queue, worker, limiters, keys from yardmaster.lanes
    where look_at <= ${db.now}
  `);
  return new Map(rows.map(({ queue, worker, limiters, keys }) => {
    const shares = limiters.map((limiter, n) => {
      return { limiter, key: keys[n] ?? "" };
    });
    const name = [queue, worker, ...shares.map(nameOf)].join("|");
    return [name, { queue, worker, shares }];
  }));
}

interface DueLane {
  readonly queue: string;
  readonly worker: string;
  readonly shares: readonly {
    readonly limiter: string;
    readonly key: string;
  }[];
}

/** How many jobs a queue takes; none for the dead. */
function roomOf(
  model: LimitedModel,
  { executorId, queues }: ModelDemand,
  queue: string,
): number {
  const demand = queues.find((each) => each.queue === queue);
  const lives = model.executors.get(executorId)?.stoppedAt === null;
  if (demand === undefined || !lives || model.paused.has(queue)) return 0;
  const { declaredLimit, prefetch, held, most } = demand;
  const limit = model.chosenLimits.get(queue) ?? declaredLimit;
  return Math.max(Math.min(limit + prefetch - held, most), 0);
}

/** Nothing passes another of its lane. */
function mustBeInOrder(claimed: readonly ModelJob[], lanes: Lanes): void {
  const ids = new Set(claimed.map(({ id }) => id));
  for (const [name, jobs] of lanes) {
    const taken = jobs.filter(({ id }) => ids.has(id));
    assert.deepEqual(taken, jobs.slice(0, taken.length), `in order: ${name}`);
    for (const { id } of taken) ids.delete(id);
  }
  assert.deepEqual([...ids], [], "only what waits is claimed");
}

function begin(
  model: LimitedModel,
  { job, run, demand }: {
    readonly job: ModelJob;
    readonly run: ClaimedJob;
    readonly demand: ModelDemand;
  },
): void {
  const { leaseId, attempt } = run;
  assert.equal(attempt, job.at.attempt + 1);
  assert.deepEqual(run.args, model.args.get(job.id));
  assert.deepEqual([run.queue, run.worker], [job.queue, job.worker]);
  const shares = model.sharesOf(job);
  const held = shares
    .filter(({ limiter }) =>
      model.known.get(limiter)?.limiter.kind === "concurrency"
    ).map((share) => ({ ...share, weight: model.needs(share) }));
  model.take(shares);
  const { executorId } = demand;
  model.begin({ leaseId, jobId: job.id, attempt, executorId });
  model.grants.set(`${leaseId} ${job.id}`, held);
}

/** No more is used than there is, and nothing started while it cooled down. */
function mustFit(model: LimitedModel, claimed: readonly ModelJob[]): void {
  for (const share of claimed.flatMap((job) => model.sharesOf(job))) {
    const used = model.usedOf(share);
    const capacity = model.capacityOf(share.limiter);
    assert.ok(
      used <= capacity + 1e-6,
      `${nameOf(share)}: ${used} of ${capacity}`,
    );
    const cools = model.blocksOf([share])
      .some(({ code }) => code === "cooldown");
    assert.ok(!cools, `${nameOf(share)} cools down`);
  }
}

/** What a look was worth is blocked now, or its queue has no room. */
function mustBeAll(model: LimitedModel, { demand, due, lanes, claimed }: {
  readonly demand: ModelDemand;
  readonly due: ReadonlyMap<string, DueLane>;
  readonly lanes: Lanes;
  readonly claimed: readonly ModelJob[];
}): void {
  for (const { queue } of demand.queues) {
    const taken = claimed.filter((job) => job.queue === queue).length;
    const room = roomOf(model, demand, queue);
    assert.ok(taken <= room, `${taken} of ${queue}, which takes ${room}`);
    if (taken === room) continue;
    for (const [name, jobs] of lanes) {
      const [head] = jobs.filter((job) => job.at.state === "available");
      if (head === undefined || head.queue !== queue || !due.has(name)) {
        continue;
      }
      if (!demand.workers.includes(head.worker)) continue;
      const blocks = model.blocksOf(model.sharesOf(head));
      assert.ok(blocks.length > 0, `nothing blocks ${name}`);
    }
  }
}
