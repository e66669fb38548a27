import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/** What every page needs from the database before anything else. */
export interface PageFacts {
  /** The database's clock, against which every age on the page is told. */
  readonly now: Date;
  /** Signs the forms; `null` if somebody took it out of the settings. */
  readonly formKey: string | null;
}

/** Reads the clock and the key of the forms: one primary-key read. */
export async function readPageFacts(db: Database): Promise<PageFacts> {
  const [facts] = await db.query<PageFacts>(sql`
    select
      ${db.now}::timestamptz as "now",
      (
        select value from yardmaster.settings where name = 'form_key'
      ) as "formKey"
  `);
  return facts ?? { now: new Date(NaN), formKey: null };
}
