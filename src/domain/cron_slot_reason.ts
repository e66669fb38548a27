/**
 * Why a slot became no job of its own: the same list as the enum
 * `cron_slot_reason` in the database.
 */
export const CRON_SLOT_REASONS = [
  /** A job of the entry had not ended, and its overlap policy decided. */
  "overlap",
  /** Another job held the unique key, and stayed as it was. */
  "key_held",
  /** Another job held the unique key, and took over what the slot asked for. */
  "overwrote",
  /** A limiter that holds at enqueue was full. */
  "limited",
] as const;
/** One of {@linkcode CRON_SLOT_REASONS}. */
export type CronSlotReason = typeof CRON_SLOT_REASONS[number];
