/** A control plane over a test's database, and things to act upon. */
import type {
  Control,
  Notice,
  SeamFailure,
} from "../../src/control/control.ts";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import type { CronDeclaration } from "../../src/domain/cron_entry.ts";
import { parseCronEntries } from "../../src/domain/cron_entry.ts";
import type { Actor, Auth } from "../../src/seams.ts";
import { syncCronEntries } from "../../src/store/cron_sync.ts";
import { ensureQueues } from "../../src/store/queues.ts";

/** Who acts in most tests. */
export const OPERATOR: Actor = { id: "ops-demo", label: "Olga" };

/** A control plane that remembers its hints and the failures of its seams. */
export interface TestControl extends Control {
  readonly notices: Notice[];
  readonly failures: SeamFailure[];
}

/** A control plane; everybody may do everything unless `auth` says otherwise. */
export function controlOf(
  db: Database,
  auth: Partial<Pick<Auth, "authorize" | "auditPrincipal">> = {},
): TestControl {
  const notices: Notice[] = [];
  const failures: SeamFailure[] = [];
  return {
    db,
    auth: {
      authorize: () => true,
      auditPrincipal: ({ id }) => ({ id, type: "user", label: `${id}'s name` }),
      ...auth,
    },
    notify: (notice) => void notices.push(notice),
    onSeamFailure: (failure) => void failures.push(failure),
    notices,
    failures,
  };
}

/** Declares `nightly_sync`, as every example host does. */
export async function givenCronEntry(
  db: Database,
  changes: Partial<CronDeclaration> = {},
): Promise<string> {
  const parsed = parseCronEntries([{
    name: "nightly_sync",
    expression: "0 2 * * *",
    worker: "nightly_sync",
    args: { secret: "s3cret" },
    ...changes,
  }]);
  if (!parsed.ok) throw new Error(parsed.problems.join());
  await syncCronEntries(db, parsed.definitions);
  return changes.name ?? "nightly_sync";
}

/** Declares a queue. */
export async function givenQueue(
  db: Database,
  { name = "default", limit = 10 } = {},
): Promise<string> {
  await ensureQueues(db, [{ name, limit }]);
  return name;
}

/** The status, as it is written, of every preview in order. */
export async function previewStatuses(db: Database): Promise<unknown[]> {
  const rows = await db.query(sql`
    select status::text as status from yardmaster.previews order by id
  `);
  return rows.map((row) => row.status);
}
