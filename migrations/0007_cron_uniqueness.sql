-- What a worker declares of uniqueness, for the slots of its cron entries, and
-- why a slot became no job.
--
-- An entry keeps the key that its jobs ask for, made where its args were given:
-- whoever fires it needs neither the worker nor the key of the host. What the
-- release before writes of an entry leaves the column as it was; the next
-- process of this one to start writes both anew.
--
-- Compatible from: 4
-- Needed by its code

create type yardmaster.cron_slot_reason as enum (
  -- A job of the entry had not ended, and its overlap policy decided.
  'overlap',
  -- Another job held the unique key, and stayed as it was.
  'key_held',
  -- Another job held the unique key, and took over what the slot asked for.
  'overwrote',
  -- A limiter that holds at enqueue was full.
  'limited'
);

-- Null: its jobs ask for no key.
alter table yardmaster.cron_entries add column uniqueness jsonb;
-- Of what is skipped. Null: written by the release before, or of an entry that
-- was retired while it waited.
alter table yardmaster.cron_slots
  add column reason yardmaster.cron_slot_reason;
