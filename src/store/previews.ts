import type { Database } from "../db/database.ts";
import { json, type Sql, sql } from "../db/sql.ts";
import type {
  ActionParams,
  Preview,
  PreviewId,
  PreviewStatus,
  Snapshot,
} from "../domain/preview.ts";
import type { ResourceType } from "../seams.ts";

/** A preview as it is stored; its action may be one that we do not know. */
export interface PreviewRow extends Omit<Preview, "action" | "target"> {
  readonly action: string;
  readonly targetType: ResourceType;
  readonly targetId: string;
}

/**
 * The columns of {@linkcode PreviewRow}. A ready one whose time is over is
 * shown as expired, whether or not a sweep has written that.
 */
function columns(db: Database): Sql {
  return sql`
    id::text as "id", action, target_type as "targetType",
    target_id as "targetId", params, before, after, summary,
    plan_hash as "planHash", created_by as "createdBy",
    created_at as "createdAt", expires_at as "expiresAt",
    case
      when status = 'ready' and expires_at <= ${db.now} then 'expired'
      else status::text
    end as "status",
    closed_at as "closedAt", reason, audit_id::text as "auditId"
  `;
}

/** What a new preview holds; the rest follows. */
export interface PreviewInsert {
  readonly tokenHash: Uint8Array;
  readonly action: string;
  readonly targetType: ResourceType;
  readonly targetId: string;
  readonly params: ActionParams;
  readonly before: Snapshot;
  readonly after: Snapshot;
  readonly summary: string;
  readonly planHash: Uint8Array;
  readonly createdBy: string;
  readonly ttlMs: number;
}

/** Inserts a preview, ready to be executed. */
export async function insertPreview(
  db: Database,
  preview: PreviewInsert,
): Promise<PreviewRow> {
  const [row] = await db.query<PreviewRow>(sql`
    insert into yardmaster.previews (
      token_hash, action, target_type, target_id, params, before, after,
      summary, plan_hash, created_by, created_at, expires_at, status
    )
    values (
      ${preview.tokenHash}, ${preview.action}, ${preview.targetType},
      ${preview.targetId}, ${json(preview.params)}, ${json(preview.before)},
      ${json(preview.after)}, ${preview.summary}, ${preview.planHash},
      ${preview.createdBy}, ${db.now},
      ${db.now} + ${preview.ttlMs}::float8 * interval '1 ms', 'ready'
    )
    returning ${columns(db)}
  `);
  if (row === undefined) {
    throw new Error("Cannot insert a preview: no row back");
  }
  return row;
}

/** The preview of a token, or null. */
export async function findPreviewByToken(
  db: Database,
  tokenHash: Uint8Array,
): Promise<PreviewRow | null> {
  const [row] = await db.query<PreviewRow>(sql`
    select ${columns(db)}
    from yardmaster.previews
    where token_hash = ${tokenHash}
  `);
  return row ?? null;
}

/**
 * Takes the one use of a preview, or null if it has none left.
 *
 * The compare-and-set that two executors of one token race for: the second one
 * waits for the first one's transaction and then finds it no longer ready.
 */
export async function consumePreview(
  db: Database,
  use: {
    readonly tokenHash: Uint8Array;
    readonly createdBy: string;
    readonly reason: string | null;
  },
): Promise<PreviewRow | null> {
  const [row] = await db.query<PreviewRow>(sql`
    update yardmaster.previews
    set status = 'consumed', closed_at = ${db.now}, reason = ${use.reason}
    where token_hash = ${use.tokenHash} and created_by = ${use.createdBy}
      and status = 'ready' and expires_at > ${db.now}
    returning ${columns(db)}
  `);
  return row ?? null;
}

/** Ends a preview that is ready. `false`: it no longer was. */
export async function closePreview(
  db: Database,
  end: {
    readonly id: PreviewId;
    readonly status: Exclude<PreviewStatus, "ready" | "consumed">;
  },
): Promise<boolean> {
  const rows = await db.query(sql`
    update yardmaster.previews
    set status = ${end.status}::text::yardmaster.preview_status,
      closed_at = ${db.now}
    where id = ${end.id}::bigint and status = 'ready'
    returning id
  `);
  return rows.length > 0;
}

/**
 * Takes a use back that this transaction has consumed: the target was found
 * changed and nothing was done.
 */
export async function driftPreview(db: Database, id: PreviewId): Promise<void> {
  await db.query(sql`
    update yardmaster.previews
    set status = 'drifted'
    where id = ${id}::bigint and status = 'consumed' and audit_id is null
  `);
}

/** Names the audit event that tells what came of a closed preview; once. */
export async function linkPreview(
  db: Database,
  { id, auditId }: { readonly id: PreviewId; readonly auditId: `${bigint}` },
): Promise<void> {
  await db.query(sql`
    update yardmaster.previews
    set audit_id = ${auditId}::bigint
    where id = ${id}::bigint and status <> 'ready' and audit_id is null
  `);
}

/**
 * Expires the oldest open previews of an actor beyond the newest `keep`.
 *
 * Two creations at the same time may each see one too few; the next one makes
 * up for it.
 */
export async function expireSurplusPreviews(
  db: Database,
  { createdBy, keep }: { readonly createdBy: string; readonly keep: number },
): Promise<number> {
  const rows = await db.query(sql`
    with surplus as materialized (
      select id from yardmaster.previews
      where created_by = ${createdBy} and status = 'ready'
      order by id desc
      offset ${keep}
    ),
    -- One that is locked is being executed: it is not in the way for long.
    free as materialized (
      select id from yardmaster.previews
      where id in (select id from surplus) and status = 'ready'
      for update skip locked
    )
    update yardmaster.previews
    set status = 'expired', closed_at = ${db.now}
    where id in (select id from free)
    returning id
  `);
  return rows.length;
}

/** Writes down that previews whose time is over have expired; 1,000 at most. */
export async function expireOverduePreviews(db: Database): Promise<number> {
  const rows = await db.query(sql`
    with overdue as materialized (
      select id from yardmaster.previews
      where status = 'ready' and expires_at <= ${db.now}
      order by expires_at
      limit 1000
      for update skip locked
    )
    update yardmaster.previews
    set status = 'expired', closed_at = ${db.now}
    where id in (select id from overdue)
    returning id
  `);
  return rows.length;
}

/**
 * Deletes previews that were closed longer ago; 1,000 at most. What came of them
 * is in the audit.
 */
export async function prunePreviews(
  db: Database,
  { closedForMs }: { readonly closedForMs: number },
): Promise<number> {
  const rows = await db.query(sql`
    with closed as materialized (
      select id from yardmaster.previews
      where status <> 'ready'
        and closed_at < ${db.now} - ${closedForMs}::float8 * interval '1 ms'
      order by closed_at
      limit 1000
      for update skip locked
    )
    delete from yardmaster.previews
    where id in (select id from closed)
    returning id
  `);
  return rows.length;
}
