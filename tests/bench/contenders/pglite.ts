/** Ours on PGlite: the database is in this process. */
import { PGlite } from "@electric-sql/pglite";
import { pglite } from "../../../src/db/pglite.ts";
import type { Contender, ContenderOptions } from "../contender.ts";
import { yardmasterOn } from "./yardmaster.ts";

export async function contender(
  { settings }: ContenderOptions,
): Promise<Contender> {
  const db = await PGlite.create();
  await db.exec("create table host_rows (note text not null)");
  const database = pglite(db);
  return yardmasterOn({
    database,
    enqueueing: database,
    settings,
    isDrained: async () => {
      const { rows } = await db.query<{ left: boolean }>(`
        select exists (select from yardmaster.leases)
          or exists (select from yardmaster.ready) as left
      `);
      return rows[0]?.left === false;
    },
    inTransaction: async (work) => {
      await db.transaction(async (tx) => {
        await tx.query("insert into host_rows (note) values ('beside a job')");
        await work(pglite(tx));
      });
    },
    end: () => db.close(),
  });
}
