-- Receipts of idempotent enqueues: what was asked for, and the job that was the
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
