/** Limiters as code declares them, and the workers that name them. */
import type { Database } from "../db/database.ts";
import { json, sql } from "../db/sql.ts";
import { type Limiter, parsePath } from "../domain/limiter.ts";

/** What a process declares. */
export interface LimiterDeclarations {
  readonly limiters: readonly Limiter[];
  /** All of its workers, also those without limiters. */
  readonly workers: readonly {
    readonly name: string;
    readonly limiters: readonly Limiter[];
  }[];
}

/**
 * Writes down what code declares: when a process starts, never while it claims.
 * Nothing is written that is so already, and the history is told only of what
 * really changed.
 *
 * @returns Whether a worker has other limiters than before: then jobs that wait
 * stand where they no longer belong.
 */
export async function declareLimiters(
  db: Database,
  { limiters, workers }: LimiterDeclarations,
): Promise<boolean> {
  if (limiters.length === 0) return await writeWorkerLimits(db, workers);
  return await db.transaction(async (tx) => {
    await writeLimiters(tx, limiters);
    return await writeWorkerLimits(tx, workers);
  });
}

async function writeLimiters(
  tx: Database,
  limiters: readonly Limiter[],
): Promise<void> {
  await tx.query(sql`
    with declared as materialized (
      select *
      from jsonb_to_recordset(${json(limiters.map(toRow))}) as row (
        name text, kind yardmaster.limiter_kind,
        point yardmaster.limiter_point, capacity integer, per_ms float8,
        partition_by text[], weight integer, weight_by text[]
      )
    ),
    before as materialized (
      select known.*
      from yardmaster.limiters as known
      join declared using (name)
    ),
    written as (
      insert into yardmaster.limiters as known (
        name, kind, point, declared_capacity, per_ms, partition_by, weight,
        weight_by, declared_at
      )
      select
        name, kind, point, capacity, per_ms, partition_by, weight, weight_by,
        ${tx.now}
      from declared
      -- In order, so that two processes that start can not lock each other out.
      order by name
      on conflict (name) do update
      set
        kind = excluded.kind,
        point = excluded.point,
        declared_capacity = excluded.declared_capacity,
        per_ms = excluded.per_ms,
        partition_by = excluded.partition_by,
        weight = excluded.weight,
        weight_by = excluded.weight_by,
        declared_at = excluded.declared_at
      where (
        known.kind, known.point, known.declared_capacity, known.per_ms,
        known.partition_by, known.weight, known.weight_by
      ) is distinct from (
        excluded.kind, excluded.point, excluded.declared_capacity,
        excluded.per_ms, excluded.partition_by, excluded.weight,
        excluded.weight_by
      )
      returning name
    )
    insert into yardmaster.limiter_facts (limiter, key, kind, at, details)
    select
      declared.name, '', 'reconfigured', ${tx.now},
      jsonb_build_object(
        'before', jsonb_build_object(
          'kind', before.kind, 'at', before.point,
          'capacity', before.declared_capacity, 'perMs', before.per_ms,
          'partitionBy', before.partition_by, 'weight', before.weight,
          'weightBy', before.weight_by
        ),
        'after', jsonb_build_object(
          'kind', declared.kind, 'at', declared.point,
          'capacity', declared.capacity, 'perMs', declared.per_ms,
          'partitionBy', declared.partition_by, 'weight', declared.weight,
          'weightBy', declared.weight_by
        )
      )
    from written
    join before using (name)
    join declared using (name)
  `);
}

async function writeWorkerLimits(
  tx: Database,
  workers: LimiterDeclarations["workers"],
): Promise<boolean> {
  const named = workers.flatMap(({ name, limiters }) =>
    limiters.map((limiter) => ({ worker: name, limiter }))
  );
  const rows = await tx.query<{ worker: string }>(sql`
    with named as materialized (
      select worker, limiter, point::yardmaster.limiter_point as point
      from unnest(
        ${named.map(({ worker }) => worker)}::text[],
        ${named.map(({ limiter }) => limiter.name)}::text[],
        ${named.map(({ limiter }) => limiter.at)}::text[]
      ) as named (worker, limiter, point)
    ),
    gone as (
      delete from yardmaster.worker_limits as known
      where known.worker = any (${workers.map(({ name }) => name)}::text[])
        and not exists (
          select from named
          where named.worker = known.worker and named.limiter = known.limiter
        )
      returning known.worker
    ),
    written as (
      insert into yardmaster.worker_limits as known (worker, limiter, point)
      select worker, limiter, point
      from named
      order by worker, limiter
      on conflict (worker, limiter) do update
      set point = excluded.point
      where known.point <> excluded.point
      returning known.worker
    )
    select worker from gone
    union all
    select worker from written
  `);
  return rows.length > 0;
}

/**
 * Whether all that is declared is written down: a look that locks nothing, for
 * an enqueue in the host's own transaction.
 */
export async function areLimitersDeclared(
  db: Database,
  { limiters, workers }: LimiterDeclarations,
): Promise<boolean> {
  const named = workers.flatMap(({ name, limiters }) =>
    limiters.map((limiter) => ({ worker: name, limiter }))
  );
  const [row] = await db.query<{ isWritten: boolean }>(sql`
    select not exists (
      select
      from jsonb_to_recordset(${json(limiters.map(toRow))}) as row (
        name text, kind yardmaster.limiter_kind,
        point yardmaster.limiter_point, capacity integer, per_ms float8,
        partition_by text[], weight integer, weight_by text[]
      )
      where not exists (
        select
        from yardmaster.limiters as known
        where known.name = row.name and (
          known.kind, known.point, known.declared_capacity, known.per_ms,
          known.partition_by, known.weight, known.weight_by
        ) is not distinct from (
          row.kind, row.point, row.capacity, row.per_ms, row.partition_by,
          row.weight, row.weight_by
        )
      )
    )
    and not exists (
      select
      from unnest(
        ${named.map(({ worker }) => worker)}::text[],
        ${named.map(({ limiter }) => limiter.name)}::text[]
      ) as named (worker, limiter)
      where not exists (
        select from yardmaster.worker_limits as known
        where known.worker = named.worker and known.limiter = named.limiter
      )
    ) as "isWritten"
  `);
  return row?.isWritten ?? false;
}

function toRow(limiter: Limiter): Record<string, unknown> {
  return {
    name: limiter.name,
    kind: limiter.kind,
    point: limiter.at,
    capacity: limiter.capacity,
    per_ms: limiter.perMs,
    partition_by: parsePath(limiter.partitionBy),
    weight: limiter.weight,
    weight_by: parsePath(limiter.weightBy),
  };
}
