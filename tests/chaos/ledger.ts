/** Jobs that write down what they do, in the host's own table. */
import type postgres from "postgres";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";

/** Makes the table in which runs write down that they began and ended. */
export async function makeLedger(pool: postgres.Sql): Promise<void> {
  await pool`
    create table if not exists public.ledger (
      job_id bigint not null,
      attempt integer not null,
      worker text not null,
      what text not null
    )
  `;
  await pool`truncate public.ledger`;
}

/** Workers that take a little while, and tell the ledger before and after. */
export function ledgerWorkers(pool: postgres.Sql, name: string): AnyWorker[] {
  async function tell(
    run: { readonly jobId: string; readonly attempt: number },
    what: string,
  ): Promise<void> {
    await pool`
      insert into public.ledger (job_id, attempt, worker, what)
      values (${run.jobId}, ${run.attempt}, ${name}, ${what})
    `;
  }
  const step = defineWorker({
    name: "step",
    maxAttempts: 10,
    perform: async (_args, run) => {
      await tell(run, "began");
      await new Promise((resolve) => setTimeout(resolve, 20));
      await tell(run, "ended");
    },
  });
  return [step];
}
