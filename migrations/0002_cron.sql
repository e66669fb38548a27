-- Cron: the plan, the planned instants that were dealt with, and what the
-- scheduler looked at, so that a missed fire, a late claim and "nobody was
-- looking" can be told apart.

create type yardmaster.cron_source as enum ('code', 'runtime');
create type yardmaster.cron_overlap as enum (
  'allow', 'skip', 'queue_one', 'cancel_previous'
);
create type yardmaster.cron_catch_up as enum ('none', 'latest', 'all');
create type yardmaster.cron_slot_kind as enum ('scheduled', 'manual');
-- `claimed` has a job; `queued` waits for the job before it; the rest has none.
create type yardmaster.cron_slot_state as enum (
  'claimed', 'queued', 'skipped', 'paused', 'missed'
);

create table yardmaster.cron_entries (
  name              text not null,
  source            yardmaster.cron_source not null,
  worker            text not null,
  queue             text not null,
  expression        text not null,
  timezone          text not null,
  args              jsonb not null,
  meta              jsonb not null,
  priority          smallint not null,
  max_attempts      smallint not null,
  tags              text[] not null default '{}',
  deadline_ms       float8,
  overlap           yardmaster.cron_overlap not null,
  catch_up          yardmaster.cron_catch_up not null,
  catch_up_max      integer not null,
  paused_at         timestamptz,
  paused_by         text,
  last_run_at       timestamptz,
  -- Every planned instant up to this one was dealt with.
  evaluated_through timestamptz not null,
  -- Every job of this entry with a smaller id has ended, so that looking for
  -- the active ones does not read its whole history. A retry lowers it.
  active_from_id    bigint not null default 0,
  inserted_at       timestamptz not null,
  -- When its definition last changed. A pause is no change of it.
  updated_at        timestamptz not null,
  -- Since when its expression and its zone are what they are: which instants
  -- were planned before is not known any more.
  plan_since        timestamptz not null,
  -- When code no longer declares it. It fires no more; its history stays.
  retired_at        timestamptz,

  constraint cron_entries_have_one_name primary key (name),
  constraint cron_entries_names_are_bounded check (
    char_length(name) between 1 and 128
  ),
  constraint cron_entries_args_are_an_object check (
    jsonb_typeof(args) = 'object'
  ),
  constraint cron_entries_deadlines_lie_ahead check (deadline_ms > 0),
  constraint cron_entries_catch_up_is_bounded check (
    catch_up_max between 0 and 1000
  ),
  constraint cron_entries_are_paused_by_somebody check (
    (paused_at is null) = (paused_by is null)
  )
);

-- One planned instant of one entry, dealt with once, on however many nodes. A
-- run that an operator asked for is a slot of another kind and takes no planned
-- instant away.
create table yardmaster.cron_slots (
  entry_name    text not null,
  kind          yardmaster.cron_slot_kind not null,
  planned_at    timestamptz not null,
  state         yardmaster.cron_slot_state not null,
  -- The job that it became, and the job that was in its way.
  job_id        bigint,
  blocked_by_id bigint,
  -- When it was dealt with.
  claimed_at    timestamptz not null,

  constraint cron_slots_are_claimed_once
    primary key (entry_name, kind, planned_at),
  constraint cron_slots_belong_to_an_entry foreign key (entry_name)
    references yardmaster.cron_entries (name) on delete cascade,
  constraint cron_slots_have_a_job_exactly_when_claimed check (
    (state = 'claimed') = (job_id is not null)
  )
);
create index cron_slots_by_time on yardmaster.cron_slots (planned_at);
create index cron_slots_missed on yardmaster.cron_slots (planned_at)
  where state = 'missed';
create unique index cron_entries_have_one_follow_up
  on yardmaster.cron_slots (entry_name) where state = 'queued';

-- Spans in which a scheduler looked at the plan. A pass that follows closely on
-- the one before lengthens its span; a gap begins a new one.
create table yardmaster.cron_coverage (
  from_at    timestamptz not null,
  through_at timestamptz not null,

  constraint cron_coverage_begins_once primary key (from_at),
  constraint cron_coverage_runs_forwards check (through_at >= from_at)
);
