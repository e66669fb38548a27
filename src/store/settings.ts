import type { Database } from "../db/database.ts";
import { sql } from "../db/sql.ts";

/**
 * Keeps a value under a name unless one is kept already, as when two processes
 * each bring a key of their own on their first start.
 *
 * @returns The value that is kept: the one of whoever came first.
 */
export async function keepSetting(
  db: Database,
  { name, value }: { readonly name: string; readonly value: string },
): Promise<string> {
  // An update that changes nothing, so that the row comes back: "do nothing"
  // returns none, and a select beside it can not see what another just wrote.
  const [setting] = await db.query<{ readonly value: string }>(sql`
    insert into yardmaster.settings (name, value)
    values (${name}, ${value})
    on conflict (name) do update set value = settings.value
    returning value
  `);
  return setting?.value ?? value;
}

/** The value that is kept under a name, or null. */
export async function findSetting(
  db: Database,
  name: string,
): Promise<string | null> {
  const [setting] = await db.query<{ readonly value: string }>(sql`
    select value from yardmaster.settings where name = ${name}
  `);
  return setting?.value ?? null;
}
