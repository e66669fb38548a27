import type { Database } from "../db/database.ts";
import { json, type Sql, sql } from "../db/sql.ts";
import type {
  AuditEntry,
  AuditEvent,
  AuditEventId,
  AuditFinding,
  AuditHead,
  AuditResult,
} from "../domain/audit.ts";
import type { ResourceType } from "../seams.ts";

const COLUMNS = sql`
  id::text as "id", at, event_type as "eventType", action,
  result::text as "result", refusal, legal_next_steps as "legalNextSteps",
  resource_type as "resourceType", resource_id as "resourceId",
  actor_id as "actorId", principal_id as "principalId",
  principal_type as "principalType", principal_label as "principalLabel",
  reason, preview_id::text as "previewId", before, after, details,
  encode(previous_hash, 'hex') as "previousHash", encode(hash, 'hex') as "hash"
`;

/**
 * The hash of an event, over the columns of whatever is named `event`: the hash
 * before it, and the text of a JSON array of all others.
 *
 * An array keeps null, text and the borders between columns apart. The instant
 * goes in as microseconds, because its text depends on the zone of the session.
 */
const HASH = sql`
  sha256(event.previous_hash || convert_to(
    jsonb_build_array(
      event.id, (extract(epoch from event.at) * 1000000)::bigint,
      event.event_type, event.action, event.result::text, event.refusal,
      to_jsonb(event.legal_next_steps), event.resource_type, event.resource_id,
      event.actor_id, event.principal_id, event.principal_type,
      event.principal_label, event.reason, event.preview_id, event.before,
      event.after, event.details
    )::text,
    'UTF8'
  ))
`;

/**
 * Appends an event to the chain, in the caller's transaction: it stands exactly
 * if the change that it tells of does.
 *
 * The head is locked until that transaction ends, so events are in the order of
 * their commits and ids have no gap. Whoever appends does it last, and quickly.
 */
export async function appendAuditEvent(
  db: Database,
  entry: AuditEntry,
): Promise<AuditEvent> {
  const [event] = await db.query<AuditEvent>(sql`
    with head as materialized (
      select last_id, hash from yardmaster.audit_head where only_row for update
    ),
    event as (
      select
        head.last_id + 1 as id, ${db.now}::timestamptz as at,
        ${entry.eventType}::text as event_type, ${entry.action}::text as action,
        ${entry.result}::text::yardmaster.audit_result as result,
        ${entry.refusal}::text as refusal,
        ${entry.legalNextSteps}::text[] as legal_next_steps,
        ${entry.resourceType}::text as resource_type,
        ${entry.resourceId}::text as resource_id,
        ${entry.actorId}::text as actor_id,
        ${entry.principalId}::text as principal_id,
        ${entry.principalType}::text as principal_type,
        ${entry.principalLabel}::text as principal_label,
        ${entry.reason}::text as reason,
        ${entry.previewId}::bigint as preview_id,
        ${orNull(entry.before)} as before, ${orNull(entry.after)} as after,
        ${json(entry.details)} as details, head.hash as previous_hash
      from head
    ),
    appended as (
      insert into yardmaster.audit_events (
        id, at, event_type, action, result, refusal, legal_next_steps,
        resource_type, resource_id, actor_id, principal_id, principal_type,
        principal_label, reason, preview_id, before, after, details,
        previous_hash, hash
      )
      select event.*, ${HASH} from event
      returning *
    ),
    moved as (
      update yardmaster.audit_head
      set last_id = appended.id, hash = appended.hash
      from appended
      where only_row
    )
    select ${COLUMNS} from appended
  `);
  if (event === undefined) {
    throw new Error(
      `Cannot append to the audit: table "audit_head" is empty and must hold ` +
        `one row; run "yardmaster audit verify" and restore it`,
    );
  }
  return event;
}

/** Narrows a list of events; what is left out does not. */
export interface AuditFilters {
  readonly resourceType?: ResourceType;
  readonly resourceId?: string;
  readonly eventType?: string;
  readonly action?: string;
  readonly actorId?: string;
  readonly result?: AuditResult;
  /** Not before this instant. */
  readonly from?: Date;
  /** Before this instant. */
  readonly until?: Date;
}

/** Most events of one page. */
const AUDIT_PAGE_MAX = 1_000;

/**
 * Lists events, newest first.
 *
 * No index knows their instants: a span of time that lies far back is looked for
 * from the newest id on. People write these events, so there are not many.
 *
 * @param page `before` is the id of the last event of the page before, `after`
 * that of the first event of the page after; `limit` is cut to
 * {@linkcode AUDIT_PAGE_MAX}.
 */
export async function listAuditEvents(
  db: Database,
  page: {
    readonly filters?: AuditFilters;
    readonly before?: AuditEventId | null;
    readonly after?: AuditEventId | null;
    readonly limit: number;
  },
): Promise<AuditEvent[]> {
  const { filters = {}, before = null, after = null } = page;
  const limit = Math.min(Math.max(Math.trunc(page.limit), 1), AUDIT_PAGE_MAX);
  const events = await db.query<AuditEvent>(sql`
    select ${COLUMNS}
    from yardmaster.audit_events
    where ${before === null ? sql`true` : sql`id < ${before}::bigint`}
      ${after === null ? sql`` : sql`and id > ${after}::bigint`}
      ${andEquals(sql`resource_type`, filters.resourceType)}
      ${andEquals(sql`resource_id`, filters.resourceId)}
      ${andEquals(sql`event_type`, filters.eventType)}
      ${andEquals(sql`action`, filters.action)}
      ${andEquals(sql`actor_id`, filters.actorId)}
      ${andEquals(sql`result::text`, filters.result)}
      ${filters.from === undefined ? sql`` : sql`and at >= ${filters.from}`}
      ${filters.until === undefined ? sql`` : sql`and at < ${filters.until}`}
    -- Not "id" alone: that would be the text of the output.
    order by audit_events.id ${after === null ? sql`desc` : sql`asc`}
    limit ${limit}
  `);
  return after === null ? events : events.reverse();
}

/** One event, or null. */
export async function findAuditEvent(
  db: Database,
  id: AuditEventId,
): Promise<AuditEvent | null> {
  const [event] = await db.query<AuditEvent>(sql`
    select ${COLUMNS} from yardmaster.audit_events where id = ${id}::bigint
  `);
  return event ?? null;
}

/** The end of the chain; null if its row is gone. */
export async function findAuditHead(db: Database): Promise<AuditHead | null> {
  const [head] = await db.query<AuditHead>(sql`
    select last_id::text as "id", encode(hash, 'hex') as "hash"
    from yardmaster.audit_head
    where only_row
  `);
  return head ?? null;
}

/** What one chunk of the chain looks like. */
export interface AuditChunk {
  /** Events in the chunk; 0 at the end. */
  readonly events: number;
  readonly last: AuditHead | null;
  readonly brokenAt: AuditEventId | null;
  readonly finding: AuditFinding | null;
}

/**
 * Recomputes up to 10,000 events after `after` and finds the first that does not
 * hold: by its own hash, by the hash before it, by its number.
 */
export async function verifyAuditChunk(
  db: Database,
  { after, through }: {
    readonly after: AuditHead;
    readonly through: AuditHead;
  },
): Promise<AuditChunk> {
  const [chunk] = await db.query<AuditChunk>(sql`
    with event as materialized (
      -- A written limit: bound, a generic plan would expect a tenth of the table.
      select * from yardmaster.audit_events
      where id > ${after.id}::bigint and id <= ${through.id}::bigint
      order by id
      limit 10000
    ),
    checked as (
      select
        id, hash, ${HASH} as computed, previous_hash,
        lag(id, 1, ${after.id}::bigint) over (order by id) as id_before,
        lag(hash, 1, decode(${after.hash}, 'hex')) over (order by id)
          as hash_before
      from event
    ),
    broken as (
      select
        case when id <> id_before + 1 then id_before + 1 else id end as id,
        case
          when id <> id_before + 1 then 'missing'
          when hash <> computed then 'edited'
          else 'out_of_order'
        end as finding
      from checked
      where id <> id_before + 1 or hash <> computed
        or previous_hash <> hash_before
      order by checked.id
      limit 1
    )
    select
      (select count(*)::integer from event) as "events",
      (
        select jsonb_build_object('id', id::text, 'hash', encode(hash, 'hex'))
        from event order by id desc limit 1
      ) as "last",
      (select id::text from broken) as "brokenAt",
      (select finding from broken) as "finding"
  `);
  return chunk ?? { events: 0, last: null, brokenAt: null, finding: null };
}

/**
 * Finds an event that the head has never counted: beyond it, or before the
 * first. One statement, because an append moves events and head together.
 */
export async function findUncountedAuditEvent(
  db: Database,
): Promise<AuditEventId | null> {
  const [event] = await db.query<{ readonly id: AuditEventId }>(sql`
    select id::text as "id"
    from (
      (
        select id from yardmaster.audit_events
        where id < 1
        order by id
        limit 1
      )
      union all
      (
        select id from yardmaster.audit_events
        where id > (select last_id from yardmaster.audit_head where only_row)
        order by id
        limit 1
      )
    ) as uncounted
    order by uncounted.id
    limit 1
  `);
  return event?.id ?? null;
}

function orNull(value: unknown): Sql {
  return value === null ? sql`null::jsonb` : json(value);
}

function andEquals(column: Sql, value: string | undefined): Sql {
  return value === undefined ? sql`` : sql`and ${column} = ${value}`;
}
