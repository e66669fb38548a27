import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import { isWhole } from "../domain/job.ts";
import { type Limiter, LIMITER_BOUNDS } from "../domain/limiter.ts";
import { isStorableText } from "../domain/storable.ts";
import {
  clearLimiterCooldown,
  coolDownLimiter,
} from "../store/limiter_cooldowns.ts";

/** A cooldown that the host's own code asks for. */
export interface CoolDown {
  /** From now, by the database's clock; 1 ms to 31 days. */
  readonly forMs: number;
  /** Shown to operators: what happened, in 1 to 2,000 characters. */
  readonly reason: string;
  /** The value of one partition; left out, all of them cool down. */
  readonly key?: string | number;
}

/** What the host's own code may tell limiters. */
export interface LimiterApi {
  /**
   * Lets nothing of a limiter start for a while, such as after a 429. What runs
   * goes on. A cooldown that lasts longer stays.
   *
   * @returns When it ends; `null` if no process has declared the limiter.
   */
  coolDown(limiter: Limiter, cooldown: CoolDown): Promise<Date | null>;
  /**
   * Ends a cooldown.
   *
   * @returns False if there was none.
   */
  clearCooldown(
    limiter: Limiter,
    of?: { readonly key?: string | number },
  ): Promise<boolean>;
}

/** As the audit of limiters calls the host's own code. */
const BY_CODE = "code";

/**
 * The limiters of a database.
 *
 * @param onReady Is told when jobs of any queue may start.
 */
export function limiterApi(
  database: Database,
  { onReady = () => {} }: { readonly onReady?: () => void } = {},
): LimiterApi {
  return {
    async coolDown({ name }, { forMs, reason, key }) {
      const { cooldownMsMax: most, reasonLengthMax } = LIMITER_BOUNDS;
      assert(isWhole(forMs, { least: 1, most }), "forMs is 1 ms to 31 days");
      assert(
        typeof reason === "string" && reason.trim() !== "" &&
          [...reason].length <= reasonLengthMax && isStorableText(reason),
        "a cooldown has a reason of 1 to 2,000 characters",
      );
      return await coolDownLimiter(database, {
        limiter: name,
        key: keyOf(key),
        forMs,
        reason: reason.trim(),
        by: BY_CODE,
        extendsOnly: true,
      });
    },
    async clearCooldown({ name }, { key } = {}) {
      const ended = await database.transaction((tx) =>
        clearLimiterCooldown(tx, {
          limiter: name,
          key: keyOf(key),
          by: BY_CODE,
        })
      );
      if (ended) onReady();
      return ended;
    },
  };
}

function keyOf(key: string | number | undefined): string | null {
  return key === undefined ? null : String(key);
}
