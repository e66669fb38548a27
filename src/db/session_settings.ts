/** Settings of the host's connections that change what our statements mean. */
import { DatabaseSettingsError } from "../errors.ts";
import type { Database } from "./database.ts";
import { sql } from "./sql.ts";

/** A setting that is not as it must be. */
interface WrongSetting {
  readonly name: string;
  readonly is: string;
  readonly must: string;
}

/**
 * Refuses to work on connections on which statements fail, or say something
 * else. What a role or a database sets holds for all of a pool, so it is asked
 * once. Whatever is not named here may be set as a host likes.
 *
 * @throws {DatabaseSettingsError} With all of them.
 */
export async function requireSettings(db: Database): Promise<void> {
  const wrong = await db.query<WrongSetting>(sql`
    with setting (name, must, pattern) as (
      values
        -- Who waits for a row sees then what it has become, and decides anew;
        -- under a stricter one the statement fails instead.
        ('default_transaction_isolation', 'read committed', 'read committed'),
        ('default_transaction_read_only', 'off', 'off'),
        -- How instants, bytes and lists are written and read.
        ('DateStyle', 'ISO', 'ISO%'),
        ('bytea_output', 'hex', 'hex'),
        ('array_nulls', 'on', 'on'),
        -- Our patterns have backslashes.
        ('standard_conforming_strings', 'on', 'on')
    )
    select name as "name", current_setting(name, true) as "is", must as "must"
    from setting
    where current_setting(name, true) not like pattern
    order by name
  `);
  if (wrong.length > 0) throw new DatabaseSettingsError(wrong);
}
