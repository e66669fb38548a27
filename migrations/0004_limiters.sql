-- Limiters: what code declares and an operator chose, how much of each partition
-- is used, and where a job stands that is due and waits for its turn.
--
-- Such a job stands in `limited` and not in `ready`, and is `available` like one
-- that stands there: the claim of jobs without limiters pays nothing for it.
--
-- Needed by its code

create type yardmaster.limiter_kind as enum (
  'token_bucket', 'fixed_window', 'concurrency'
);
create type yardmaster.limiter_point as enum ('enqueue', 'dispatch');
create type yardmaster.limiter_fact_kind as enum (
  'blocked', 'cooled_down', 'cooldown_cleared', 'reconfigured',
  'capacity_chosen'
);

create table yardmaster.limiters (
  name              text not null,
  kind              yardmaster.limiter_kind not null,
  point             yardmaster.limiter_point not null,
  declared_capacity integer not null,
  -- As chosen by an operator, which wins.
  chosen_capacity   integer,
  chosen_by         text,
  chosen_at         timestamptz,
  per_ms            float8,
  -- Paths into the args; without the first, one partition is for all.
  partition_by      text[],
  weight            integer not null,
  weight_by         text[],
  -- Of all partitions; one of them may have its own.
  cooldown_until    timestamptz,
  cooldown_reason   text,
  cooldown_by       text,
  declared_at       timestamptz not null,

  constraint limiters_have_one_name primary key (name),
  constraint limiters_names_are_bounded check (
    char_length(name) between 1 and 128
  ),
  constraint limiters_capacities_are_1_to_a_million check (
    declared_capacity between 1 and 1000000
    and chosen_capacity between 1 and 1000000
  ),
  constraint limiters_capacities_are_chosen_by_somebody check (
    (chosen_capacity is null) = (chosen_by is null)
    and (chosen_capacity is null) = (chosen_at is null)
  ),
  constraint limiters_of_a_rate_have_a_span check (
    (kind = 'concurrency') = (per_ms is null) and per_ms >= 1000
  ),
  constraint limiters_of_concurrency_hold_at_dispatch check (
    kind <> 'concurrency' or point = 'dispatch'
  ),
  constraint limiters_weights_are_1_to_a_million check (
    weight between 1 and 1000000
  ),
  constraint limiters_cool_down_for_a_reason check (
    (cooldown_until is null) = (cooldown_reason is null)
    and (cooldown_until is null) = (cooldown_by is null)
    and char_length(cooldown_reason) <= 2000
  )
);

-- Which workers name which limiters.
create table yardmaster.worker_limits (
  worker  text not null,
  limiter text not null,
  point   yardmaster.limiter_point not null,

  constraint worker_limits_are_named_once primary key (worker, limiter),
  constraint worker_limits_name_a_limiter foreign key (limiter)
    references yardmaster.limiters (name) on delete cascade
);

-- How much of each partition is used. One without a row is unused, and a row
-- that says no more than that goes after a while.
create table yardmaster.limiter_partitions (
  limiter         text not null,
  key             text not null,
  -- Of a rate, as counted at that instant; of a window, since it began.
  used            float8 not null,
  counted_at      timestamptz not null,
  cooldown_until  timestamptz,
  cooldown_reason text,
  cooldown_by     text,
  -- When the history was last told that it is full: at most once a minute.
  told_at         timestamptz,

  constraint limiter_partitions_are_counted_once primary key (limiter, key),
  constraint limiter_partitions_use_something check (used >= 0),
  constraint limiter_partitions_keys_are_bounded check (
    char_length(key) <= 200
  ),
  constraint limiter_partitions_cool_down_for_a_reason check (
    (cooldown_until is null) = (cooldown_reason is null)
    and (cooldown_until is null) = (cooldown_by is null)
    and char_length(cooldown_reason) <= 2000
  )
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
create index limiter_partitions_by_age
  on yardmaster.limiter_partitions (counted_at);
create index limiter_partitions_that_cool_down
  on yardmaster.limiter_partitions (limiter, cooldown_until)
  where cooldown_until is not null;

-- Due, and waits for its turn. Jobs that wait for the same partitions are a lane.
create table yardmaster.limited (
  job_id   bigint not null,
  queue    text not null,
  worker   text not null,
  priority smallint not null,
  attempt  smallint not null,
  lane_id  uuid not null,
  -- What it takes of each partition of its lane, in that order.
  weights  integer[] not null,

  constraint limited_jobs_wait_once primary key (job_id),
  constraint limited_attempts_are_counted check (attempt >= 0)
) with (autovacuum_vacuum_scale_factor = 0.05);
create unique index limited_in_order
  on yardmaster.limited (lane_id, priority, job_id);
create index limited_of_a_queue
  on yardmaster.limited (queue, priority, job_id);

-- A lane has a row while jobs wait in it. Lanes are looked at in the order of
-- `look_at`, and one that was served goes to the end: so each has its turn.
create table yardmaster.lanes (
  id              uuid not null,
  queue           text not null,
  worker          text not null,
  limiters        text[] not null,
  keys            text[] not null,
  look_at         timestamptz not null,
  -- What it waits for; and how often in vain, since a job of it started.
  blocked_limiter text,
  blocked_key     text,
  looks           smallint not null,

  constraint lanes_have_their_own_id primary key (id),
  constraint lanes_have_a_key_for_each_limiter check (
    cardinality(limiters) = cardinality(keys) and cardinality(keys) > 0
  ),
  constraint lanes_wait_for_a_partition check (
    (blocked_limiter is null) = (blocked_key is null)
  )
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
create index lanes_in_turn on yardmaster.lanes (queue, worker, look_at, id);
create index lanes_that_wait
  on yardmaster.lanes (blocked_limiter, blocked_key, look_at)
  where blocked_limiter is not null;

-- Written with each job that comes to stand in `limited`, and never waited for:
-- whoever claims makes lanes of it. So no enqueue waits for another, and none is
-- overlooked by a claim that finds its lane empty at that moment.
create table yardmaster.lane_arrivals (
  id       bigint generated always as identity,
  lane_id  uuid not null,
  queue    text not null,
  worker   text not null,
  limiters text[] not null,
  keys     text[] not null,

  constraint lane_arrivals_have_their_own_id primary key (id)
) with (autovacuum_vacuum_scale_factor = 0.05);
create index lane_arrivals_of_a_worker
  on yardmaster.lane_arrivals (worker, id);

-- What runs of limiters of concurrency. A grant holds while its lease holds its
-- job, and no longer, whoever ended that: so nothing has to be given back.
create table yardmaster.limiter_grants (
  limiter  text not null,
  key      text not null,
  lease_id bigint not null,
  job_id   bigint not null,
  weight   integer not null,

  constraint limiter_grants_are_given_once
    primary key (limiter, key, lease_id, job_id)
) with (autovacuum_vacuum_scale_factor = 0.05);
create index limiter_grants_of_a_job on yardmaster.limiter_grants (job_id);

-- History: what limiters did, other than let jobs pass.
create table yardmaster.limiter_facts (
  id          bigint generated always as identity,
  limiter     text not null,
  key         text not null,
  kind        yardmaster.limiter_fact_kind not null,
  at          timestamptz not null,
  eligible_at timestamptz,
  -- A job that it held back, if one was.
  job_id      bigint,
  principal   text,
  -- As it was at that moment.
  details     jsonb not null,

  constraint limiter_facts_have_their_own_id primary key (id)
);
create index limiter_facts_of_a_limiter
  on yardmaster.limiter_facts (limiter, id);
create index limiter_facts_of_a_partition
  on yardmaster.limiter_facts (limiter, key, id);
create index limiter_facts_by_time on yardmaster.limiter_facts (at);

create function yardmaster.limiter_key(value text) returns text
  language sql immutable
  return case
    when value is null then ''
    when char_length(value) <= 200 then value
    else left(value, 180) || '…'
      || encode(substring(sha256(convert_to(value, 'UTF8')) for 8), 'hex')
  end;

create function yardmaster.limiter_weight(weight jsonb, otherwise integer)
  returns integer
  language sql immutable
  return case
    when jsonb_typeof(weight) = 'number'
      then least(greatest(trunc(weight::numeric), 1), 1000000)::integer
    else otherwise
  end;

-- The limiters of a worker at one point, with the partition and the weight of a
-- job of these args, in the order of their names. All null without any.
create function yardmaster.limits_of(
  worker_name text, at_point yardmaster.limiter_point, args jsonb,
  out limiters text[], out keys text[], out weights integer[]
)
  language sql stable
  begin atomic
    select
      array_agg(known.name order by known.name),
      array_agg(
        yardmaster.limiter_key(args #>> known.partition_by)
        order by known.name
      ),
      array_agg(
        yardmaster.limiter_weight(args #> known.weight_by, known.weight)
        order by known.name
      )
    from yardmaster.worker_limits as named
    join yardmaster.limiters as known on known.name = named.limiter
    where named.worker = worker_name and named.point = at_point;
  end;

create function yardmaster.lane_id(
  queue text, worker text, limiters text[], keys text[]
) returns uuid
  language sql stable
  return encode(
    substring(
      sha256(
        convert_to(
          jsonb_build_array(queue, worker, limiters, keys)::text, 'UTF8'
        )
      ) for 16
    ),
    'hex'
  )::uuid;

create or replace view yardmaster.job_states as
  select job_id, state::text::yardmaster.job_state as state, attempt,
    run_at, null::bigint as lease_id, null::integer as executor_id,
    null::timestamptz as claimed_at, null::timestamptz as finished_at,
    null::integer as took_ms
  from yardmaster.scheduled
  union all
  select job_id, 'available', attempt, null, null, null, null, null, null
  from yardmaster.ready
  union all
  select job_id, 'available', attempt, null, null, null, null, null, null
  from yardmaster.limited
  union all
  select run.job_id, 'executing', run.attempt, null, leases.id,
    leases.executor_id, leases.claimed_at, null, null
  from yardmaster.leases,
    unnest(leases.job_ids, leases.attempts) as run (job_id, attempt)
  union all
  select job_id, state::text::yardmaster.job_state, attempt, null, null,
    executor_id, null, finished_at, took_ms
  from yardmaster.outcomes;
