/** What limiters hold a job back by, at this moment. */
import type { Database } from "../db/database.ts";
import { json, type Sql, sql } from "../db/sql.ts";
import type { JobId } from "../domain/job.ts";
import type {
  LimiterBlocker,
  LimiterFactKind,
  LimiterPoint,
} from "../domain/limiter.ts";
import { admit } from "../domain/limiter_admission.ts";
import { type LockedPartition, ruleOf, stateOf } from "./limited_locks.ts";

/** One limiter of a job, with its partition as it stands. */
export interface LimiterStanding extends LockedPartition {
  readonly at: LimiterPoint;
  /** Where in the args its keys stand. */
  readonly partitionBy: readonly string[] | null;
  /** Whether there is a row of its partition; one without was never used. */
  readonly isCounted: boolean;
  /** What the job takes of it. */
  readonly weight: number;
  readonly nowMs: number;
}

/** Reads the limiters of a worker, for a job of these args. */
export async function readStandings(
  db: Database,
  { worker, args }: {
    readonly worker: string;
    readonly args: Readonly<Record<string, unknown>>;
  },
): Promise<LimiterStanding[]> {
  const of = (point: LimiterPoint) =>
    sql`yardmaster.limits_of(
      ${worker}, ${point}::text::yardmaster.limiter_point, ${json(args)}
    )`;
  return await db.query<LimiterStanding>(standings(
    db,
    sql`
      select part.*
      from (
        select * from ${of("enqueue")} union all select * from ${of("dispatch")}
      ) as wanted
      cross join lateral unnest(
        wanted.limiters, wanted.keys, wanted.weights
      ) as part (limiter, key, weight)
    `,
  ));
}

/** Reads one partition of a limiter; empty if nobody declared it. */
export async function readStanding(
  db: Database,
  { limiter, key, weight }: {
    readonly limiter: string;
    readonly key: string;
    /** The limiter's own if left out. */
    readonly weight?: number | null;
  },
): Promise<LimiterStanding | null> {
  const [row] = await db.query<LimiterStanding>(standings(
    db,
    sql`
      select name as limiter, yardmaster.limiter_key(${key}) as key,
        coalesce(${weight ?? null}::integer, limiters.weight) as weight
      from yardmaster.limiters
      where name = ${limiter}
    `,
  ));
  return row ?? null;
}

/** Reads limiters that have no keys, each as a whole. */
export async function readWholeStandings(
  db: Database,
  limiters: readonly string[],
): Promise<LimiterStanding[]> {
  if (limiters.length === 0) return [];
  return await db.query<LimiterStanding>(standings(
    db,
    sql`
      select name as limiter, '' as key, weight
      from yardmaster.limiters
      where name = any (${[...limiters]}::text[])
    `,
  ));
}

/** Reads the limiters for which a job stands in line; empty if it does not. */
export async function readJobStandings(
  db: Database,
  jobId: JobId,
): Promise<LimiterStanding[]> {
  return await db.query<LimiterStanding>(standings(
    db,
    sql`
      select part.*
      from yardmaster.limited
      join yardmaster.jobs on jobs.id = limited.job_id
      cross join lateral yardmaster.limits_of(
        jobs.worker, 'dispatch', jobs.args
      ) as wanted
      cross join lateral unnest(
        wanted.limiters, wanted.keys, wanted.weights
      ) as part (limiter, key, weight)
      where limited.job_id = ${jobId}::bigint and jobs.id = ${jobId}::bigint
    `,
  ));
}

/** @param wanted A query of `limiter, key, weight`. */
function standings(db: Database, wanted: Sql): Sql {
  return sql`
    with wanted as materialized (${wanted})
    select wanted.limiter, wanted.key, wanted.weight,
      known.kind::text as "kind", known.point::text as "at",
      coalesce(known.chosen_capacity, known.declared_capacity) as "capacity",
      known.per_ms as "perMs",
      known.partition_by is not null as "isPartitioned",
      known.partition_by as "partitionBy",
      part.key is not null as "isCounted",
      case known.kind
        when 'concurrency' then (
          select coalesce(sum(given.weight), 0)
          from yardmaster.limiter_grants as given
          where given.limiter = wanted.limiter and given.key = wanted.key
            and exists (
              select from yardmaster.leases
              where leases.id = given.lease_id
                and leases.job_ids @> array[given.job_id]
            )
        )::float8
        else coalesce(part.used, 0)
      end as "used",
      coalesce(extract(epoch from part.counted_at) * 1000, 0)::float8
        as "countedMs",
      (
        extract(epoch from greatest(part.cooldown_until, known.cooldown_until))
          * 1000
      )::float8 as "cooldownMs",
      case
        when known.cooldown_until >= coalesce(
          part.cooldown_until, known.cooldown_until
        ) then known.cooldown_reason
        else part.cooldown_reason
      end as "cooldownReason",
      (extract(epoch from ${db.now}) * 1000)::float8 as "nowMs"
    from wanted
    join yardmaster.limiters as known on known.name = wanted.limiter
    left join yardmaster.limiter_partitions as part
      on part.limiter = wanted.limiter and part.key = wanted.key
    order by wanted.limiter
  `;
}

/** What holds a job back now, by the rule by which it is claimed. */
export function blockersOf(
  standings: readonly LimiterStanding[],
): LimiterBlocker[] {
  return standings.flatMap((each): LimiterBlocker[] => {
    const { nowMs, weight } = each;
    const state = stateOf(each, each.used);
    const answer = admit(ruleOf(each), { state, weight, nowMs });
    if (answer.ok) return [];
    return [{
      code: answer.code,
      limiter: each.limiter,
      key: each.key,
      kind: each.kind,
      at: each.at,
      scope: each.isPartitioned ? "partitioned" : "global",
      eligibleAt: answer.eligibleMs === null
        ? null
        : new Date(answer.eligibleMs),
      capacity: each.capacity,
      used: answer.used,
      weight,
      reason: answer.code === "cooldown" ? each.cooldownReason : null,
    }];
  });
}

/** What the history last told of a limiter, or of one of its partitions. */
export interface LimiterFact {
  readonly id: `${bigint}`;
  readonly kind: LimiterFactKind;
  readonly key: string;
  readonly at: Date;
  readonly eligibleAt: Date | null;
  /** A job that it held back. */
  readonly jobId: JobId | null;
  readonly principal: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The newest facts of a limiter, or of one key and of all keys. */
export async function listLimiterFacts(
  db: Database,
  { limiter, key = null, limit }: {
    readonly limiter: string;
    readonly key?: string | null;
    readonly limit: number;
  },
): Promise<LimiterFact[]> {
  return await db.query<LimiterFact>(sql`
    select id, kind::text as "kind", key, at, eligible_at as "eligibleAt",
      job_id as "jobId", principal, details
    from yardmaster.limiter_facts
    where limiter = ${limiter}
      and (${key}::text is null or key in (yardmaster.limiter_key(${key}), ''))
    order by id desc
    limit ${limit}
  `);
}
