/** Keys and secrets of tests, and how to find out where a secret was left. */
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { EncryptionKeys } from "../../src/domain/key_ring.ts";

const bytes = (fill: number) => new Uint8Array(32).fill(fill);

/** Two keys, of which the new one encrypts. */
export const BOTH_KEYS: EncryptionKeys = {
  current: "2026-11",
  keys: { "2026-11": bytes(11), "2025-01": bytes(1) },
};
/** As it was before the new one was made. */
export const OLD_KEYS: EncryptionKeys = {
  current: "2025-01",
  keys: { "2025-01": bytes(1) },
};
/** As it is once the old one was removed. */
export const NEW_KEYS: EncryptionKeys = {
  current: "2026-11",
  keys: { "2026-11": bytes(11) },
};

/** Every table of ours in which a text stands, whatever the column. */
export async function tablesWith(
  db: Database,
  text: string,
): Promise<string[]> {
  const tables = await db.query<{ readonly name: string }>(sql`
    select relname as "name"
    from pg_catalog.pg_class
    where relkind in ('r', 'p') and not relispartition
      and relnamespace = 'yardmaster'::regnamespace
    order by relname
  `);
  const found: string[] = [];
  for (const { name } of tables) {
    const [row] = await db.query<{ readonly found: boolean }>(sql`
      select ${text} <> '' and position(
        ${text}::text in
        query_to_xml(
          format('select * from %I.%I', 'yardmaster', ${name}::text),
          false, false, ''
        )::text
      ) > 0 as "found"
    `);
    if (row?.found) found.push(name);
  }
  return found;
}
