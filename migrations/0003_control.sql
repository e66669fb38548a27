-- The control plane: what an operator was shown before acting, and what was
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
