-- Recorded outputs have a time of their own: the class that their worker chose,
-- which may be shorter or longer than the history of their job.
--
-- What expired is emptied and not deleted, so that a page can say that there was
-- something. What the release before writes has neither time nor size, or keeps
-- those of the output that it writes over; so no constraint says that an output
-- expires after it is recorded, and the pruner gives such rows the standard time.
--
-- Compatible from: 4
-- Needed by its code

alter table yardmaster.outputs
  add column bytes integer,
  add column expires_at timestamptz,
  alter column output drop not null,
  add constraint outputs_are_counted_in_bytes check (bytes >= 0);
-- For what is to be emptied, and to know whether a day can go.
create index outputs_that_expire on yardmaster.outputs (expires_at)
  where output is not null;
-- For what was emptied and whose job is gone.
create index outputs_that_are_empty on yardmaster.outputs_default (job_id)
  where output is null;
