import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/**
 * A hint to the processes of one database. It may be lost, and it may be a lie:
 * whoever hears it looks at the tables.
 */
export type Notice =
  /** Due work was put into these queues. */
  | { readonly t: "ready"; readonly q: readonly string[] }
  /** Jobs were planned that are due within a second. */
  | { readonly t: "scheduled" }
  /** A queue was paused, resumed or scaled. */
  | { readonly t: "queues" }
  /** These jobs were taken out of their runs. */
  | { readonly t: "cancelled"; readonly ids: readonly string[] }
  /** Somebody waits for the end of these jobs: who it is, so as to know itself. */
  | {
    readonly t: "awaited";
    readonly ids: readonly string[];
    readonly by: string;
  }
  /** The ends of these jobs are written, and somebody may wait for them. */
  | { readonly t: "ended"; readonly ids: readonly string[] }
  /** This process begins to hear: whoever waits for jobs says so again. */
  | { readonly t: "listening"; readonly by: string };

/** Postgres refuses a notice of 8,000 bytes. */
const BYTES_MAX = 7_000;

/** The channel on which the processes of a schema hear each other. */
export function noticeChannel(schema: string): string {
  return `yardmaster_${schema}`;
}

/**
 * Sends a hint. Call it after the commit: inside the transaction it would line
 * up all commits behind one lock.
 */
export async function sendNotice(db: Database, notice: Notice): Promise<void> {
  const text = JSON.stringify(notice);
  // Names are at most 128 characters, ids 19 digits: long lists are shortened
  // to nothing, which every listener reads as "look at everything".
  const payload = new TextEncoder().encode(text).length <= BYTES_MAX
    ? text
    : JSON.stringify(shortened(notice));
  await db.query(
    sql`select pg_notify(${noticeChannel(db.schema)}::text, ${payload}::text)`,
    { hot: true },
  );
}

/** Reads a hint; `null` if it is none of ours or of a later version. */
export function parseNotice(payload: string): Notice | null {
  try {
    const notice: unknown = JSON.parse(payload);
    if (typeof notice !== "object" || notice === null || !("t" in notice)) {
      return null;
    }
    if (notice.t === "ready" && "q" in notice && isTexts(notice.q)) {
      return { t: "ready", q: notice.q };
    }
    if (notice.t === "cancelled" && "ids" in notice && isTexts(notice.ids)) {
      return { t: "cancelled", ids: notice.ids };
    }
    if (notice.t === "ended" && "ids" in notice && isTexts(notice.ids)) {
      return { t: "ended", ids: notice.ids };
    }
    if (
      notice.t === "awaited" && "ids" in notice && isTexts(notice.ids) &&
      "by" in notice && typeof notice.by === "string"
    ) return { t: "awaited", ids: notice.ids, by: notice.by };
    if (
      notice.t === "listening" && "by" in notice &&
      typeof notice.by === "string"
    ) return { t: "listening", by: notice.by };
    if (notice.t === "scheduled") return { t: "scheduled" };
    return notice.t === "queues" ? { t: "queues" } : null;
  } catch {
    return null;
  }
}

function shortened(notice: Notice): Notice {
  if (notice.t === "ready") return { t: "ready", q: [] };
  if (notice.t === "cancelled" || notice.t === "ended") {
    return { t: notice.t, ids: [] };
  }
  if (notice.t === "awaited") return { ...notice, ids: [] };
  return notice;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) &&
    value.every((item) => typeof item === "string");
}
