/**
 * The same tables and the least that could be done with them: raw SQL, prepared,
 * no checks, no limits, no retries, no events. What we are slower than this, our
 * engine costs.
 */
import postgres from "postgres";
import { migrate } from "../../../src/db/migrate.ts";
import { postgresJs } from "../../../src/db/postgres_js.ts";
import type { Contender, ContenderOptions, Work } from "../contender.ts";

const INSERT = `
  with start as materialized (
    select yardmaster.job_id_at(statement_timestamp()) as id
  ),
  input as materialized (
    select args, (select id from start)
      | (nextval('yardmaster.job_id_sequence') & 4194303) as id
    from jsonb_array_elements((select $1::text)::jsonb) as args
  ),
  defined as (
    insert into yardmaster.jobs (
      id, queue, worker, args, meta, tags, priority, max_attempts
    )
    select id, 'default', 'job', args, '{}', '{}', 0, 1 from input
  ),
  due as (
    insert into yardmaster.ready (job_id, queue, worker, priority, attempt)
    select id, 'default', 'job', 0, 0 from input
  )
  select id::text from input
`;

/** Ends whole leases and makes the next, in one statement. */
const TURN = `
  with ended as (
    delete from yardmaster.leases where id = any ($1::bigint[]) returning *
  ),
  appended as (
    insert into yardmaster.outcomes (
      job_id, state, attempt, executor_id, took_ms, finished_at
    )
    select run.job_id, 'completed', run.attempt, ended.executor_id, 0,
      statement_timestamp()
    from ended, unnest(ended.job_ids, ended.attempts) as run (job_id, attempt)
  ),
  taken as (
    delete from yardmaster.ready
    where ctid = any (array(
      select ctid from yardmaster.ready
      where queue = $2
      order by priority, job_id
      limit $3
      for update skip locked
    ))
    returning job_id, priority, (attempt + 1)::smallint as attempt
  ),
  lease as (
    insert into yardmaster.leases (executor_id, job_ids, attempts, claimed_at)
    select 1, array_agg(job_id order by job_id),
      array_agg(attempt order by job_id), statement_timestamp()
    from taken
    having count(*) > 0
    returning id
  )
  select (select id::text from lease) as lease, taken.job_id::text as id,
    job.worker, job.args, taken.attempt
  from taken
  cross join lateral (
    select worker, args from yardmaster.jobs where id = taken.job_id offset 0
  ) as job
  order by taken.priority, taken.job_id
`;

interface Settings {
  /** Jobs in a lease, and loops that take them. */
  readonly batch?: number;
  readonly loops?: number;
}

const IDLE_MS = 2;

export function contender({ url, settings }: ContenderOptions): Contender {
  const { batch = 500, loops = 2 } = settings as Settings;
  const sql = postgres(url, { max: 10, onnotice: () => {} });
  const prepared = { prepare: true };
  let running = false;
  let lanes: Promise<void>[] = [];

  async function lane({ perform }: Work): Promise<void> {
    let leases: string[] = [];
    while (running || leases.length > 0) {
      const most = running ? batch : 0;
      const jobs = await sql.unsafe(
        TURN,
        [`{${leases}}`, "default", most],
        prepared,
      );
      leases = jobs[0] === undefined ? [] : [jobs[0].lease];
      for (const { args } of jobs) {
        const ran = perform(args);
        if (ran !== undefined) await ran;
      }
      if (jobs.length === 0 && running) {
        await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
      }
    }
  }

  return {
    async prepare() {
      await migrate(postgresJs(sql));
      await sql.unsafe(TODAY);
    },
    async enqueue(args) {
      await sql.unsafe(INSERT, [JSON.stringify([args])], prepared);
    },
    async enqueueMany(jobs) {
      await sql.unsafe(INSERT, [JSON.stringify(jobs)], prepared);
    },
    async enqueueInTransaction(args) {
      await sql.begin(async (tx) => {
        await tx`insert into host_rows (note) values ('beside a job')`;
        await tx.unsafe(INSERT, [JSON.stringify([args])], prepared);
      });
    },
    start(work) {
      running = true;
      lanes = Array.from({ length: loops }, () => lane(work));
      return Promise.resolve();
    },
    async stop() {
      running = false;
      await Promise.all(lanes);
    },
    async isDrained() {
      const [row] = await sql`
        select exists (select from yardmaster.leases)
          or exists (select from yardmaster.ready) as left
      `;
      return row?.left === false;
    },
    end: () => sql.end(),
  };
}

/** The partitions that our engine makes for itself. */
const TODAY = `
  do $$
  declare
    base text;
    first bigint := yardmaster.job_id_at(date_trunc('day', now()));
    next bigint := yardmaster.job_id_at(date_trunc('day', now()) + interval '1 day');
  begin
    foreach base in array array['jobs', 'outcomes'] loop
      execute format(
        'create table yardmaster.%I partition of yardmaster.%I
           for values from (%s) to (%s)',
        base || to_char(now(), '_YYYYMMDD'), base, first, next
      );
    end loop;
  end
  $$
`;
