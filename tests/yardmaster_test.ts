/** What a host joins, as a whole. */
import assert from "node:assert/strict";
import { createYardmaster, type Yardmaster } from "../mod.ts";
import type { Database } from "../src/db/database.ts";
import { sql } from "../src/db/sql.ts";
import type { CronDeclaration } from "../src/domain/cron_entry.ts";
import { defineWorker } from "../src/engine/worker.ts";
import { usePGlite } from "./support/pglite.ts";
import { filesBelow, ROOT } from "./support/sources.ts";

const testDb = usePGlite();

const sync = defineWorker({ name: "sync", perform: () => {} });
const NIGHTLY: CronDeclaration = {
  name: "nightly",
  expression: "0 2 * * *",
  worker: sync,
};

/** A process that says this of cron, and has ticked. */
async function processWith(
  db: Database,
  cron: readonly CronDeclaration[] | undefined,
): Promise<Yardmaster> {
  const yard = createYardmaster({
    database: db,
    workers: [sync],
    notify: false,
    ...(cron !== undefined && { cron }),
  });
  await yard.tick({ budgetMs: 60_000, maxJobs: 1 });
  return yard;
}

async function firing(db: Database): Promise<string[]> {
  const rows = await db.query<{ name: string }>(sql`
    select name from yardmaster.cron_entries
    where retired_at is null
    order by name
  `);
  return rows.map(({ name }) => name);
}

Deno.test("a host that deletes its last cron entry retires it, and one that says nothing of cron does not", async () => {
  await using db = await testDb();
  const yard = await processWith(db, [NIGHTLY]);
  await yard.cron.set({ ...NIGHTLY, name: "of_ada" });

  await processWith(db, undefined);
  assert.deepEqual(await firing(db), ["nightly", "of_ada"]);

  await processWith(db, []);
  assert.deepEqual(await firing(db), ["of_ada"], "people's own stay");
});

Deno.test("nothing calls the host's escalation, and the page of what is supported says so", () => {
  const text = (path: string) => Deno.readTextFileSync(`${ROOT}/${path}`);
  const naming = filesBelow("src").filter((path) =>
    path.endsWith(".ts") && /^[^*]*\bescalation\b/m.test(text(path))
  );
  assert.deepEqual(naming, ["src/option_advice.ts", "src/options.ts"]);
  const page = text("docs/operations/support.md");
  const [, owned = ""] = page.split("## Host-owned");
  assert.match(owned, /`escalation` is checked, and nothing calls it/);
});
