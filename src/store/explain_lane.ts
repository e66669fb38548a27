/** Which limiters hold a job back that is due, and by how much. */
import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";
import type { ExplainedBlocker, LaneFacts } from "../domain/explain_facts.ts";
import type { JobId } from "../domain/job.ts";
import { admit } from "../domain/limiter_admission.ts";
import type { LimiterKind, LimiterRule } from "../domain/limiter.ts";

/** Jobs before it in its lane are counted so far. */
const AHEAD_MAX = 10_000;
/** Jobs that hold a key that are named. */
const HOLDERS_MAX = 5;

/** A partition that a job needs, as it stands. */
interface Partition {
  readonly limiter: string;
  readonly key: string;
  readonly weight: number;
  readonly kind: LimiterKind;
  readonly capacity: number;
  readonly perMs: number | null;
  readonly isPartitioned: boolean;
  readonly used: number;
  readonly countedMs: number;
  readonly cooldownMs: number | null;
  readonly cooldownReason: string | null;
  readonly holders: readonly JobId[];
  readonly nowMs: number;
}

/** Finds what a job waits for that stands in a lane; null if it stands in none. */
export async function findLane(
  db: Database,
  jobId: JobId,
): Promise<LaneFacts | null> {
  const [lane] = await db.query<{ ahead: number }>(sql`
    select (
      select count(*)::integer from (
        select from yardmaster.limited as other
        where other.lane_id = own.lane_id
          and (other.priority, other.job_id) < (own.priority, own.job_id)
        limit ${AHEAD_MAX}
      ) as before
    ) as "ahead"
    from yardmaster.limited as own
    where own.job_id = ${jobId}::bigint
  `);
  if (lane === undefined) return null;
  const partitions = await listPartitions(db, jobId);
  return {
    limiters: partitions.map(({ limiter }) => limiter),
    blockers: partitions.flatMap(blockerOf),
    ahead: {
      count: lane.ahead,
      precision: lane.ahead < AHEAD_MAX ? "exact" : "at_least",
    },
  };
}

/**
 * The partitions that the limiters of its worker have for its args, as claims
 * count them: what live leases hold, and the later of two cooldowns.
 */
async function listPartitions(
  db: Database,
  jobId: JobId,
): Promise<readonly Partition[]> {
  return await db.query<Partition>(sql`
    select
      known.name as "limiter", part.key, part.weight,
      known.kind::text as "kind",
      coalesce(known.chosen_capacity, known.declared_capacity) as "capacity",
      known.per_ms as "perMs", known.partition_by is not null as
        "isPartitioned",
      case when known.kind = 'concurrency' then coalesce(held.weight, 0)
        else coalesce(state.used, 0) end::float8 as "used",
      coalesce(extract(epoch from state.counted_at) * 1000, 0)::float8
        as "countedMs",
      (extract(
        epoch from greatest(state.cooldown_until, known.cooldown_until)
      ) * 1000)::float8 as "cooldownMs",
      case
        when known.cooldown_until >= coalesce(
          state.cooldown_until, known.cooldown_until
        ) then known.cooldown_reason
        else state.cooldown_reason
      end as "cooldownReason",
      coalesce(held.jobs, '{}') as "holders",
      (extract(epoch from ${db.now}) * 1000)::float8 as "nowMs"
    from yardmaster.jobs
    cross join lateral yardmaster.limits_of(
      jobs.worker, 'dispatch', jobs.args
    ) as wanted
    cross join lateral unnest(wanted.limiters, wanted.keys, wanted.weights)
      as part (limiter, key, weight)
    join yardmaster.limiters as known on known.name = part.limiter
    left join yardmaster.limiter_partitions as state
      on state.limiter = part.limiter and state.key = part.key
    left join lateral (
      select sum(weight)::integer as weight,
        (array_agg(job_id order by job_id))[:${HOLDERS_MAX}::integer] as jobs
      from yardmaster.limiter_grants as given
      where given.limiter = part.limiter and given.key = part.key
        and exists (
          select from yardmaster.leases
          where leases.id = given.lease_id
            and leases.job_ids @> array[given.job_id]
        )
    ) as held on known.kind = 'concurrency'
    where jobs.id = ${jobId}::bigint
    order by known.name
  `);
}

/** The rule that claims decide by says whether it holds the job back. */
function blockerOf(part: Partition): readonly ExplainedBlocker[] {
  const { limiter, key, weight, kind, capacity, perMs, nowMs } = part;
  const rule: LimiterRule = { kind, capacity, perMs };
  const { cooldownMs, cooldownReason, used, countedMs } = part;
  const cooldown = cooldownMs === null
    ? null
    : { untilMs: cooldownMs, reason: cooldownReason ?? "" };
  const admission = admit(rule, {
    state: { used, countedMs, cooldown },
    weight,
    nowMs,
  });
  if (admission.ok) return [];
  const { code, eligibleMs } = admission;
  return [{
    blocker: {
      code,
      limiter,
      kind,
      at: "dispatch",
      scope: part.isPartitioned ? "partitioned" : "global",
      key,
      eligibleAt: eligibleMs === null ? null : new Date(eligibleMs),
      capacity,
      used: admission.used,
      weight,
      reason: code === "cooldown" ? cooldownReason : null,
    },
    holders: code === "limit_reached" ? part.holders : [],
  }];
}
