/**
 * The facts that a whole queue is explained with. However many jobs wait, each
 * statement looks at a bounded number of rows.
 */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { ExplainedQueue } from "../domain/explain_facts.ts";
import type {
  BusyQueueFacts,
  LimitedJobs,
  PlannedJobs,
  QueueFacts,
} from "../domain/explain_queue_facts.ts";
import type { JobId } from "../domain/job.ts";
import { listHeadsOfLimited } from "./explain_busy.ts";
import { findLastStopped, listServing } from "./explain.ts";
import { findLane } from "./explain_lane.ts";
import { AHEAD_MAX, readPace, readReadySample } from "./explain_turn.ts";
import { oldestIn, WITH_WAITING_QUEUES } from "./waiting_queues.ts";

/** Jobs at the head of one of many queues that are looked at. */
const HEAD_OF_EACH = 200;
/** Queues with due jobs that are looked at together. */
const QUEUES_MAX = 100;

/** Reads what one queue can be explained with; it need not be on record. */
export async function readQueueFacts(
  db: Database,
  name: string,
): Promise<QueueFacts> {
  const [found] = await readQueues(db, { names: [name], headMax: AHEAD_MAX });
  if (found === undefined) {
    throw new TypeError("a queue that was named came not");
  }
  const serving = await listServing(db, [name]);
  const planned = await listPlanned(db, name);
  const limited = await listLimited(db, name);
  const head = found.head.filter(({ isDue }) => !isDue);
  const isCapped = head.length >= AHEAD_MAX;
  const sample = isCapped ? await readReadySample(db, name) : [];
  const inHead = countsOf(head);
  const beyond = sample.map(({ worker, jobs }) => ({
    worker,
    jobs: Math.max(Math.round(jobs) - (inHead.get(worker) ?? 0), 0),
  }));
  const more = beyond.reduce((sum, { jobs }) => sum + jobs, 0);
  return {
    ...found,
    serving,
    lastStopped: serving.some(({ health }) => health !== "missing")
      ? null
      : await findLastStopped(db, name),
    ready: more > 0
      ? { count: head.length + more, precision: "about" }
      : { count: head.length, precision: isCapped ? "at_least" : "exact" },
    beyond,
    limited,
    limitedCapped: limited.reduce((sum, { jobs }) => sum + jobs, 0) >=
      AHEAD_MAX,
    planned: planned.groups,
    plannedCapped: planned.isCapped,
    orphaned: await countOrphaned(db, name),
    pace: head.length === 0 ? null : await readPace(db, name),
  };
}

/**
 * Reads what the queues with due jobs can be explained with, and of each no
 * more than the first jobs: what holds a queue up gathers there.
 */
export async function listBusyQueueFacts(
  db: Database,
): Promise<readonly BusyQueueFacts[]> {
  const found = await readQueues(db, { names: null, headMax: HEAD_OF_EACH });
  const names = found.map(({ queue }) => queue.name);
  const serving = names.length === 0 ? [] : await listServing(db, names);
  const limited = await listHeadsOfLimited(db, {
    queues: names,
    headMax: HEAD_OF_EACH,
  });
  return found.map((each) => ({
    ...each,
    ...limited.get(each.queue.name) ?? NONE_LIMITED,
    serving: serving.filter(({ queue }) => queue === each.queue.name),
    lastStopped: null,
    beyond: [],
    planned: [],
    plannedCapped: true,
    orphaned: 0,
    pace: null,
  }));
}

const NONE_LIMITED = {
  limited: [],
  limitedCapped: false,
  oldestLimitedAt: null,
} as const;

type FoundQueue = Pick<
  QueueFacts,
  "at" | "queue" | "ready" | "oldestReadyAt" | "head"
>;

async function readQueues(
  db: Database,
  { names, headMax }: {
    /** Null: the queues that hold due jobs. */
    readonly names: readonly string[] | null;
    readonly headMax: number;
  },
): Promise<readonly FoundQueue[]> {
  const rows = await db.query<
    ExplainedQueue & Pick<FoundQueue, "at" | "oldestReadyAt"> & {
      readonly ready: number;
      readonly workers: readonly string[];
      readonly due: readonly boolean[];
    }
  >(sql`
    ${WITH_WAITING_QUEUES},
    due as materialized (
      select queue, worker, priority, job_id
      from yardmaster.scheduled
      where run_at <= ${db.now}
      order by run_at, job_id
      limit ${AHEAD_MAX}
    ),
    asked (name) as (
      select unnest(${names === null ? null : [...names]}::text[])
      union all
      (
        select queue from waiting
        where queue is not null and ${names === null}::boolean
        limit ${QUEUES_MAX}
      )
    )
    select
      asked.name, queues.name is not null as "recorded",
      coalesce(queues.chosen_limit, queues.declared_limit) as "limit",
      queues.paused_at as "pausedAt", queues.paused_by as "pausedBy",
      yardmaster.job_inserted_at(oldest.job_id) as "oldestReadyAt",
      head.workers, head.due,
      (
        select count(*)::integer from (
          -- In order, or a plan for all values may read the table.
          select from yardmaster.ready
          where ready.queue = asked.name
          order by priority, job_id limit ${AHEAD_MAX + 1}
        ) as counted
      ) as "ready",
      ${db.now}::timestamptz as "at"
    from asked
    left join yardmaster.queues on queues.name = asked.name,
    lateral (
      select
        coalesce(array_agg(worker order by priority, job_id), '{}') as workers,
        coalesce(array_agg(is_due order by priority, job_id), '{}') as due
      from (
        (
          select worker, priority, job_id, false as is_due
          from yardmaster.ready
          where ready.queue = asked.name
          order by priority, job_id
          limit ${headMax}
        )
        union all
        select worker, priority, job_id, true
        from due
        where due.queue = asked.name
      ) as job
    ) as head,
    lateral (
      select ${oldestIn("ready", sql`asked.name`)} as job_id
    ) as oldest
    order by asked.name
  `);
  return rows.map(({ at, workers, due, oldestReadyAt, ready, ...queue }) => ({
    at,
    queue,
    head: workers.map((worker, index) => ({
      worker,
      isDue: due[index] === true,
    })),
    oldestReadyAt,
    ready: {
      count: Math.min(ready, AHEAD_MAX),
      precision: ready > AHEAD_MAX ? "at_least" : "exact",
    },
  }));
}

/**
 * Jobs of a queue that wait for their time. Nothing indexes them by queue, for
 * their staging must not pay for a page: those of all queues that are due first
 * are looked at.
 */
async function listPlanned(
  db: Database,
  queue: string,
): Promise<{
  readonly groups: readonly PlannedJobs[];
  readonly isCapped: boolean;
}> {
  const rows = await db.query<PlannedJobs & { readonly looked: number }>(sql`
    with first as materialized (
      select queue, worker, state, run_at,
        case
          when run_at > ${db.now} then 'later'
          when run_at >= ${db.now} - interval '1 minute' then 'due'
          else 'overdue'
        end as "when"
      from yardmaster.scheduled
      order by run_at, job_id
      limit ${AHEAD_MAX}
    )
    select
      state::text as "state", worker, "when",
      count(*)::integer as "jobs", min(run_at) as "runAt",
      (select count(*)::integer from first) as "looked"
    from first
    where queue = ${queue}
    group by state, worker, "when"
    limit 1000
  `);
  const [any] = rows;
  return { groups: rows, isCapped: (any?.looked ?? 0) >= AHEAD_MAX };
}

/** Limiters that hold a queue up and are told apart. */
const LIMITED_GROUPS = 10;

/**
 * Due jobs of a queue that wait for limiters, by the one that their lane was
 * found to wait for at its last turn; and how it stands now, for one of each.
 */
async function listLimited(
  db: Database,
  queue: string,
): Promise<readonly LimitedJobs[]> {
  const groups = await db.query<
    Omit<LimitedJobs, "lane"> & { readonly firstId: JobId }
  >(sql`
    with first as materialized (
      select job_id, worker, lane_id
      from yardmaster.limited
      where queue = ${queue}
      order by priority, job_id
      limit ${AHEAD_MAX}
    )
    select
      first.worker, count(*)::integer as "jobs",
      count(distinct first.lane_id)::integer as "lanes",
      min(first.job_id) as "firstId"
    from first
    left join yardmaster.lanes on lanes.id = first.lane_id
    group by first.worker, lanes.blocked_limiter
    order by count(*) desc
    limit ${LIMITED_GROUPS}
  `);
  const limited: LimitedJobs[] = [];
  for (const { firstId, ...group } of groups) {
    const lane = await findLane(db, firstId);
    if (lane === null) continue;
    const ahead = { count: 0, precision: "exact" } as const;
    limited.push({ ...group, lane: { ...lane, ahead } });
  }
  return limited;
}

/** Jobs of a queue in leases of executors that have stopped, or are gone. */
async function countOrphaned(db: Database, queue: string): Promise<number> {
  const [counted] = await db.query<{ jobs: number }>(sql`
    select count(*)::integer as "jobs"
    from yardmaster.leases
    left join yardmaster.executors on executors.id = leases.executor_id,
      unnest(leases.job_ids) as run (job_id),
      lateral (
        select queue from yardmaster.jobs where id = run.job_id offset 0
      ) as job
    where job.queue = ${queue}
      and (executors.id is null or executors.stopped_at is not null)
  `);
  return counted?.jobs ?? 0;
}

function countsOf(head: QueueFacts["head"]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { worker } of head) {
    counts.set(worker, (counts.get(worker) ?? 0) + 1);
  }
  return counts;
}
