import type { Database } from "../db/database.ts";
import { type Sql, sql } from "../db/sql.ts";

/** A queue and what decides how much of it runs. */
export interface Queue {
  readonly name: string;
  /** Jobs that one executor runs at a time, as code declares it. */
  readonly declaredLimit: number | null;
  /** As an operator chose it, which wins. */
  readonly chosenLimit: number | null;
  readonly pausedAt: Date | null;
  readonly pausedBy: string | null;
  readonly insertedAt: Date;
}

/** A queue as code declares it. */
export interface DeclaredQueue {
  readonly name: string;
  readonly limit: number;
}

const COLUMNS: Sql = sql`
  name,
  declared_limit as "declaredLimit",
  chosen_limit as "chosenLimit",
  paused_at as "pausedAt",
  paused_by as "pausedBy",
  inserted_at as "insertedAt"
`;

/** Pages and refreshes read so many; a host has tens. */
const QUEUES_MAX = 1_000;

/** Makes the queues that code declares known. What an operator chose stays. */
export async function ensureQueues(
  db: Database,
  declared: readonly DeclaredQueue[],
): Promise<void> {
  await db.query(sql`
    insert into yardmaster.queues as known (name, declared_limit, inserted_at)
    select name, declared_limit, ${db.now}
    from unnest(
      ${declared.map((queue) => queue.name)}::text[],
      ${declared.map((queue) => queue.limit)}::integer[]
    ) as declared (name, declared_limit)
    -- In order, so that two processes that start can not lock each other out.
    order by name
    on conflict (name) do update
    set declared_limit = excluded.declared_limit
    where known.declared_limit is distinct from excluded.declared_limit
  `);
}

/** Locks a queue until the transaction ends; `null` if nobody declared it. */
export async function lockQueue(
  tx: Database,
  name: string,
): Promise<Queue | null> {
  const rows = await tx.query<Queue>(sql`
    select ${COLUMNS}
    from yardmaster.queues
    where name = ${name}
    for update
  `);
  return rows[0] ?? null;
}

/** Pauses a queue. Claims leave it alone from then on; what runs, runs on. */
export async function pauseQueue(
  tx: Database,
  { name, principal }: { readonly name: string; readonly principal: string },
): Promise<Queue | null> {
  const rows = await tx.query<Queue>(sql`
    update yardmaster.queues
    set paused_at = ${tx.now}, paused_by = ${principal}
    where name = ${name} and paused_at is null
    returning ${COLUMNS}
  `);
  return rows[0] ?? null;
}

/** Ends the pause of a queue; `null` if it was not paused. */
export async function resumeQueue(
  tx: Database,
  { name }: { readonly name: string },
): Promise<Queue | null> {
  const rows = await tx.query<Queue>(sql`
    update yardmaster.queues
    set paused_at = null, paused_by = null
    where name = ${name} and paused_at is not null
    returning ${COLUMNS}
  `);
  return rows[0] ?? null;
}

/**
 * Chooses how many jobs of a queue one executor runs at a time; `null` goes back
 * to what code declares.
 *
 * @returns `null` if it was so already.
 */
export async function scaleQueue(
  tx: Database,
  { name, limit }: { readonly name: string; readonly limit: number | null },
): Promise<Queue | null> {
  const rows = await tx.query<Queue>(sql`
    update yardmaster.queues
    set chosen_limit = ${limit}::integer
    where name = ${name} and chosen_limit is distinct from ${limit}::integer
    returning ${COLUMNS}
  `);
  return rows[0] ?? null;
}

/** All queues that code ever declared, by name. */
export async function listQueues(db: Database): Promise<Queue[]> {
  return await db.query<Queue>(sql`
    select ${COLUMNS}
    from yardmaster.queues
    order by name
    limit ${QUEUES_MAX}
  `);
}
