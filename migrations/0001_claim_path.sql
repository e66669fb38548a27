-- The way of a job: its definition is written once, where it stands is a row in
-- one small table, and how it ended is appended. A job's state is where it
-- stands: `scheduled`, `ready`, `leases` or `outcomes`; in none of them it is
-- suspended.
--
-- No column has `default now()`: statements bring the instant, so that a test
-- can move the clock.

create type yardmaster.job_state as enum (
  'suspended', 'scheduled', 'available', 'executing', 'retryable',
  'completed', 'cancelled', 'discarded'
);
create type yardmaster.waiting_state as enum ('scheduled', 'retryable');
create type yardmaster.outcome_state as enum (
  'completed', 'cancelled', 'discarded'
);
create type yardmaster.attempt_event_kind as enum (
  'failed', 'timed_out', 'snoozed', 'given_back', 'rescued', 'lost',
  'cancelled', 'discarded', 'expired', 'retried', 'replaced'
);

-- An id carries its time: milliseconds since 2020 above 22 bits of sequence, so
-- ids sort by insertion and a day of jobs is a range of ids.
create sequence yardmaster.job_id_sequence as bigint;

create function yardmaster.job_id_at(at timestamptz) returns bigint
  language sql immutable
  return (floor(extract(epoch from at) * 1000)::bigint - 1577836800000) << 22;

create function yardmaster.next_job_id(at timestamptz) returns bigint
  language sql volatile
  return yardmaster.job_id_at(at)
    | (nextval('yardmaster.job_id_sequence') & 4194303);

create function yardmaster.job_inserted_at(id bigint) returns timestamptz
  language sql immutable
  return to_timestamp(((id >> 22) + 1577836800000) / 1000.0);

-- The definition. Only `replace` of a job that still waits ever updates it.
create table yardmaster.jobs (
  id              bigint not null,
  queue           text not null,
  worker          text not null,
  args            jsonb not null,
  meta            jsonb not null,
  tags            text[] not null,
  priority        smallint not null,
  max_attempts    smallint not null,
  deadline_at     timestamptz,
  unique_key      text,
  cron_entry      text,
  parent_id       bigint,
  trace           text,

  constraint jobs_have_their_own_id primary key (id),
  constraint jobs_name_a_queue check (char_length(queue) between 1 and 128),
  constraint jobs_name_a_worker check (char_length(worker) between 1 and 128),
  constraint jobs_priority_is_0_to_9 check (priority between 0 and 9),
  constraint jobs_have_an_attempt check (max_attempts between 1 and 1000),
  constraint jobs_args_are_an_object check (jsonb_typeof(args) = 'object'),
  constraint jobs_meta_is_an_object check (jsonb_typeof(meta) = 'object')
) partition by range (id);
create table yardmaster.jobs_default partition of yardmaster.jobs default;
create index jobs_of_a_cron_entry on yardmaster.jobs (cron_entry, id)
  where cron_entry is not null;

-- Not yet due. Nothing here is ever in the way of a claim.
create table yardmaster.scheduled (
  job_id   bigint not null,
  queue    text not null,
  worker   text not null,
  priority smallint not null,
  state    yardmaster.waiting_state not null,
  run_at   timestamptz not null,
  -- Attempts already made.
  attempt  smallint not null,

  constraint scheduled_jobs_wait_once primary key (job_id),
  constraint scheduled_attempts_are_counted check (attempt >= 0)
);
create index scheduled_in_order on yardmaster.scheduled (run_at, job_id);
-- A handful of retries must be found behind a million jobs that are planned.
create index scheduled_that_retry on yardmaster.scheduled (run_at, job_id)
  where state = 'retryable';

-- Due. The index is the order of claims.
create table yardmaster.ready (
  job_id   bigint not null,
  queue    text not null,
  worker   text not null,
  priority smallint not null,
  attempt  smallint not null,

  constraint ready_jobs_wait_once primary key (job_id),
  constraint ready_attempts_are_counted check (attempt >= 0)
) with (autovacuum_vacuum_scale_factor = 0.05);
create unique index ready_in_order
  on yardmaster.ready (queue, priority, job_id);

-- A process that runs jobs. Its row is its heartbeat.
create table yardmaster.executors (
  id            integer generated always as identity,
  name          text not null,
  runtime       text not null,
  queues        text[] not null,
  workers       text[] not null,
  started_at    timestamptz not null,
  beat_at       timestamptz not null,
  late_after    interval not null,
  missing_after interval not null,
  stopped_at    timestamptz,

  constraint executors_have_their_own_id primary key (id),
  constraint executors_are_late_before_they_are_missing check (
    late_after > interval '0' and late_after < missing_after
  ),
  constraint executors_beat_after_they_start check (beat_at >= started_at)
);
create index executors_alive on yardmaster.executors (beat_at)
  where stopped_at is null;

-- Executing: one row for each claimed batch. An id never repeats, so the id of
-- a lease is the fence of everything that its runs write.
create table yardmaster.leases (
  id          bigint generated always as identity,
  executor_id integer not null,
  job_ids     bigint[] not null,
  -- The attempt that runs, counted from 1; one for each job.
  attempts    smallint[] not null,
  claimed_at  timestamptz not null,

  constraint leases_have_their_own_id primary key (id),
  constraint leases_hold_at_least_one_job check (cardinality(job_ids) > 0),
  constraint leases_hold_at_most_1000_jobs check (cardinality(job_ids) <= 1000),
  constraint leases_have_one_attempt_per_job check (
    cardinality(attempts) = cardinality(job_ids)
  )
) with (autovacuum_vacuum_scale_factor = 0.05);
create index leases_of_an_executor on yardmaster.leases (executor_id);

-- How a job ended. Narrow, and completed jobs are listed by id, which is time:
-- the happy path pays for one index only.
create table yardmaster.outcomes (
  job_id      bigint not null,
  state       yardmaster.outcome_state not null,
  attempt     smallint not null,
  -- Null when it ended while no executor ran it.
  executor_id integer,
  took_ms     integer not null,
  finished_at timestamptz not null,

  constraint outcomes_are_written_once primary key (job_id),
  constraint outcomes_take_time_forwards check (took_ms >= 0)
) partition by range (job_id);
create table yardmaster.outcomes_default
  partition of yardmaster.outcomes default;
create index outcomes_that_did_not_complete
  on yardmaster.outcomes (state, job_id) where state <> 'completed';

-- What happened on the way, other than success: the happy path writes nothing.
create table yardmaster.attempt_events (
  job_id      bigint not null,
  id          bigint generated by default as identity,
  attempt     smallint not null,
  kind        yardmaster.attempt_event_kind not null,
  executor_id integer,
  -- Of an operator, when one did it.
  principal   text,
  -- Of an error: what groups it with others, its message without values, the
  -- first frame of the host's own code.
  fingerprint text,
  template    text,
  top_frame   text,
  message     text,
  stack       text,
  run_at      timestamptz,
  at          timestamptz not null,

  constraint attempt_events_have_their_own_id primary key (job_id, id),
  constraint attempt_events_are_bounded check (
    char_length(message) <= 10000 and char_length(stack) <= 20000
    and char_length(template) <= 1000 and char_length(top_frame) <= 1000
  )
) partition by range (job_id);
create table yardmaster.attempt_events_default
  partition of yardmaster.attempt_events default;
create index attempt_events_by_fingerprint
  on yardmaster.attempt_events (fingerprint, job_id)
  where fingerprint is not null;

-- What a run returned, when its worker asked to keep it.
create table yardmaster.outputs (
  job_id      bigint not null,
  attempt     smallint not null,
  output      jsonb not null,
  recorded_at timestamptz not null,

  constraint outputs_are_of_the_last_attempt primary key (job_id)
) partition by range (job_id);
create table yardmaster.outputs_default
  partition of yardmaster.outputs default;

-- The live claims of uniqueness. A claim holds while it has not expired and its
-- job is in one of the states; an insert that finds it no longer holding takes
-- it over in the same statement.
create table yardmaster.unique_keys (
  key        text not null,
  job_id     bigint not null,
  states     yardmaster.job_state[] not null,
  expires_at timestamptz,

  constraint unique_keys_are_held_by_one_job primary key (key)
);
create index unique_keys_that_expire on yardmaster.unique_keys (expires_at);

create table yardmaster.queues (
  name           text not null,
  -- Jobs that one executor runs at a time: as declared by code; as chosen by an
  -- operator, which wins.
  declared_limit integer,
  chosen_limit   integer,
  paused_at      timestamptz,
  paused_by      text,
  inserted_at    timestamptz not null,

  constraint queues_have_one_name primary key (name),
  constraint queues_names_are_bounded check (
    char_length(name) between 1 and 128
  ),
  constraint queues_limits_are_1_to_10000 check (
    declared_limit between 1 and 10000 and chosen_limit between 1 and 10000
  ),
  constraint queues_are_paused_by_somebody check (
    (paused_at is null) = (paused_by is null)
  )
);

-- A job's state in one place. A job of `jobs` that is not in this view is
-- suspended.
create view yardmaster.job_states as
  select job_id, state::text::yardmaster.job_state as state, attempt,
    run_at, null::bigint as lease_id, null::integer as executor_id,
    null::timestamptz as claimed_at, null::timestamptz as finished_at,
    null::integer as took_ms
  from yardmaster.scheduled
  union all
  select job_id, 'available', attempt, null, null, null, null, null, null
  from yardmaster.ready
  union all
  select run.job_id, 'executing', run.attempt, null, leases.id,
    leases.executor_id, leases.claimed_at, null, null
  from yardmaster.leases,
    unnest(leases.job_ids, leases.attempts) as run (job_id, attempt)
  union all
  select job_id, state::text::yardmaster.job_state, attempt, null, null,
    executor_id, null, finished_at, took_ms
  from yardmaster.outcomes;
