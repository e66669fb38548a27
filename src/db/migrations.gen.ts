// Written by "deno task build" from migrations/*.sql. Do not edit.
import type { Migration } from "./schema_version.ts";

/** All migrations, in order. */
export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: "claim_path",
    checksum: "d432e2d8b9c291eacdf2ecd25339a5db9777aa0d6993fc1a83d55aa58c1cebc1",
    compatibleFrom: 1,
    needed: false,
    sql: `-- The way of a job: its definition is written once, where it stands is a row in
-- one small table, and how it ended is appended. A job's state is where it
-- stands: \`scheduled\`, \`ready\`, \`leases\` or \`outcomes\`; in none of them it is
-- suspended.
--
-- No column has \`default now()\`: statements bring the instant, so that a test
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

-- The definition. Only \`replace\` of a job that still waits ever updates it.
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

-- A job's state in one place. A job of \`jobs\` that is not in this view is
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
`,
  },
  {
    version: 2,
    name: "cron",
    checksum: "15c8d730c51d2bcc69d6234d15129fc83a10ffb1330d646bfc640d76fca727fb",
    compatibleFrom: 1,
    needed: false,
    sql: `-- Cron: the plan, the planned instants that were dealt with, and what the
-- scheduler looked at, so that a missed fire, a late claim and "nobody was
-- looking" can be told apart.

create type yardmaster.cron_source as enum ('code', 'runtime');
create type yardmaster.cron_overlap as enum (
  'allow', 'skip', 'queue_one', 'cancel_previous'
);
create type yardmaster.cron_catch_up as enum ('none', 'latest', 'all');
create type yardmaster.cron_slot_kind as enum ('scheduled', 'manual');
-- \`claimed\` has a job; \`queued\` waits for the job before it; the rest has none.
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
`,
  },
  {
    version: 3,
    name: "control",
    checksum: "ea003589820a4938b68b7a085351bae4d7f879450eb2c9468c0df7028e2cfffa",
    compatibleFrom: 2,
    needed: false,
    sql: `-- The control plane: what an operator was shown before acting, and what was
-- done, by whom and why.

create type yardmaster.preview_status as enum (
  'ready', 'drifted', 'expired', 'consumed', 'withdrawn'
);
create type yardmaster.audit_result as enum ('applied', 'refused');

-- What would happen, frozen. It can be executed once, by the one who asked.
create table yardmaster.previews (
  id          bigint generated always as identity,
  -- SHA-256 of the token, which only its creator was ever shown.
  token_hash  bytea not null,
  action      text not null,
  target_type text not null,
  target_id   text not null,
  params      jsonb not null,
  before      jsonb not null,
  after       jsonb not null,
  summary     text not null,
  -- SHA-256 of everything in the target that the action depends on.
  plan_hash   bytea not null,
  created_by  text not null,
  created_at  timestamptz not null,
  expires_at  timestamptz not null,
  status      yardmaster.preview_status not null,
  closed_at   timestamptz,
  reason      text,
  -- The audit event that tells what came of it.
  audit_id    bigint,

  constraint previews_have_their_own_id primary key (id),
  constraint previews_have_one_token unique (token_hash),
  constraint previews_expire_after_creation check (expires_at > created_at),
  constraint previews_are_closed_unless_ready check (
    (status = 'ready') = (closed_at is null)
  ),
  constraint previews_reasons_are_bounded check (char_length(reason) <= 2000)
);
create index previews_of_a_target
  on yardmaster.previews (target_type, target_id, id);
create index previews_that_are_open on yardmaster.previews (expires_at)
  where status = 'ready';
create index previews_open_of_an_actor on yardmaster.previews (created_by, id)
  where status = 'ready';
create index previews_that_are_closed on yardmaster.previews (closed_at)
  where status <> 'ready';

-- Append-only, and each event carries the hash of the one before it.
create table yardmaster.audit_events (
  -- 1, 2, 3 …: a gap is an event that was taken out.
  id               bigint not null,
  at               timestamptz not null,
  -- What happened, such as cron.paused, and the command that was given.
  event_type       text not null,
  action           text not null,
  result           yardmaster.audit_result not null,
  refusal          text,
  legal_next_steps text[] not null,
  resource_type    text not null,
  resource_id      text not null,
  actor_id         text not null,
  principal_id     text,
  principal_type   text,
  principal_label  text,
  reason           text,
  preview_id       bigint,
  before           jsonb,
  after            jsonb,
  details          jsonb not null,
  previous_hash    bytea not null,
  hash             bytea not null,

  constraint audit_events_have_their_own_id primary key (id),
  constraint audit_events_count_from_1 check (id >= 1),
  constraint audit_events_are_refused_with_a_code check (
    (result = 'refused') = (refusal is not null)
  ),
  constraint audit_events_that_applied_have_a_principal check (
    result = 'refused' or principal_id is not null
  )
);
create index audit_events_of_a_resource
  on yardmaster.audit_events (resource_type, resource_id, id);
create index audit_events_of_a_type on yardmaster.audit_events (event_type, id);
create index audit_events_of_an_actor on yardmaster.audit_events (actor_id, id);

-- The end of the chain. Whoever appends locks this row, so events are in order.
create table yardmaster.audit_head (
  only_row boolean not null,
  last_id  bigint not null,
  hash     bytea not null,

  constraint audit_head_is_one_row primary key (only_row),
  constraint audit_head_only_row_is_true check (only_row)
);
insert into yardmaster.audit_head (only_row, last_id, hash)
values (true, 0, decode(repeat('00', 32), 'hex'));

create function yardmaster.refuse_to_change_the_audit() returns trigger
  language plpgsql as $$
begin
  raise exception 'Cannot % an audit event: the audit is append-only', tg_op
    using errcode = 'restrict_violation';
end
$$;
create trigger audit_events_are_append_only
  before update or delete or truncate on yardmaster.audit_events
  for each statement execute function yardmaster.refuse_to_change_the_audit();
revoke update, delete, truncate on yardmaster.audit_events from public;

-- What the installation keeps for itself, such as the key of its form tokens.
create table yardmaster.settings (
  name  text not null,
  value text not null,

  constraint settings_have_one_name primary key (name)
);

-- Two random uuids have 244 random bits: the key with which pages sign their
-- forms. Whoever can read it can already write everything else.
insert into yardmaster.settings (name, value)
values ('form_key', replace(
  gen_random_uuid()::text || gen_random_uuid()::text, '-', ''
));
`,
  },
  {
    version: 4,
    name: "limiters",
    checksum: "50d8f656cb00b6cdf5810cb7f678fa1770e3c20a6f664c632267bf8aad6ff13c",
    compatibleFrom: 3,
    needed: true,
    sql: `-- Limiters: what code declares and an operator chose, how much of each partition
-- is used, and where a job stands that is due and waits for its turn.
--
-- Such a job stands in \`limited\` and not in \`ready\`, and is \`available\` like one
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
-- \`look_at\`, and one that was served goes to the end: so each has its turn.
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

-- Written with each job that comes to stand in \`limited\`, and never waited for:
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
`,
  },
  {
    version: 5,
    name: "receipts",
    checksum: "1cb1f7b87c2778d47775e0866ed317b7624b91d5639062c17879d74b0673a2f9",
    compatibleFrom: 4,
    needed: true,
    sql: `-- Receipts of idempotent enqueues: what was asked for, and the job that was the
-- answer. They are written with the job and outlive it.
--
-- Needed by its code

create table yardmaster.receipts (
  -- A digest of the worker with the args, or with a key of the caller's own.
  fingerprint bytea not null,
  job_id      bigint not null,
  -- Of a key: which args it was used for.
  args_digest bytea,
  expires_at  timestamptz not null,

  constraint receipts_are_one_for_each_fingerprint primary key (fingerprint),
  constraint receipts_have_fingerprints_of_32_bytes check (
    octet_length(fingerprint) = 32
  ),
  constraint receipts_have_digests_of_32_bytes check (
    octet_length(args_digest) = 32
  )
) with (autovacuum_vacuum_scale_factor = 0.05);
-- The oldest go first.
create index receipts_that_expire on yardmaster.receipts (expires_at);
-- For the page of a job, and for a job that is refused and leaves none.
create index receipts_of_jobs on yardmaster.receipts (job_id);
`,
  },
  {
    version: 6,
    name: "outputs",
    checksum: "1f99ea0573f5f8d7763cf350812b0a88f126184c1705c0886101da8a22cd2a9c",
    compatibleFrom: 4,
    needed: true,
    sql: `-- Recorded outputs have a time of their own: the class that their worker chose,
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
`,
  },
  {
    version: 7,
    name: "cron_uniqueness",
    checksum: "b5fb644796b8f0b0bf40a764386f12add691b1a94f36750da74a3abd6ae22c88",
    compatibleFrom: 4,
    needed: true,
    sql: `-- What a worker declares of uniqueness, for the slots of its cron entries, and
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
`,
  },
];
