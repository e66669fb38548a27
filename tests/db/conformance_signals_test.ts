/** Cancelling, listening, and a connection that breaks, on each driver. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { until } from "../support/until.ts";
import { notesIn, rejectsWith, useDrivers } from "../support/drivers.ts";

const onEachDriver = useDrivers();
/** PGlite is one connection in this process: nobody else can reach it. */
const drivers = ["postgres.js", "node-postgres"] as const;

onEachDriver("query() with an aborted signal sends nothing", async ({ db }) => {
  await rejectsWith(
    db.query(sql`insert into notes values (1)`, {
      signal: AbortSignal.abort("enough"),
    }),
    "57014",
  );
  assert.deepEqual(await notesIn(db), []);
});

onEachDriver(
  "query() is cancelled by its signal, and the connection lives on",
  async ({ db }) => {
    const stop = new AbortController();
    const sleeping = db.query(sql`select pg_sleep(60), ${"a nap"}::text`, {
      signal: stop.signal,
    });
    await untilAsleep(db);
    stop.abort();
    await rejectsWith(sleeping, "57014");
    await db.query(sql`insert into notes values (1)`);
    assert.deepEqual(await notesIn(db), [1]);
  },
  { drivers },
);

onEachDriver(
  "query() is cancelled inside of a transaction, which can go on before it",
  async ({ db }) => {
    await db.transaction(async (tx) => {
      await tx.query(sql`insert into notes values (1)`);
      const stop = new AbortController();
      const nap = tx.transaction((inner) =>
        inner.query(sql`select pg_sleep(60)`, { signal: stop.signal })
      );
      await untilAsleep(db);
      stop.abort();
      await rejectsWith(nap, "57014");
      await tx.query(sql`insert into notes values (2)`);
    });
    assert.deepEqual(await notesIn(db), [1, 2]);
  },
  { drivers },
);

onEachDriver(
  "query() that is given up while its connection opens costs the pool none",
  async ({ db }) => {
    const stop = new AbortController();
    const given = [1, 2, 3].map(() =>
      db.query(sql`select pg_sleep(0.05)`, { signal: stop.signal })
    );
    stop.abort();
    await Promise.all(given.map((each) => rejectsWith(each, "57014")));
    await until("all three connections are used", async () => {
      const pids = await Promise.all([1, 2, 3].map(async () => {
        const [row] = await db.query<{ readonly pid: number }>(sql`
          select pg_backend_pid() as pid, pg_sleep(0.05)
        `);
        return row?.pid;
      }));
      return new Set(pids).size === 3;
    });
  },
  { drivers },
);

onEachDriver(
  "query() that ends as it is cancelled takes no statement of others with it",
  async ({ db }) => {
    const alone = db.transaction.bind(db);
    for (let turn = 0; turn < 12; turn++) {
      const stop = new AbortController();
      const napping = db.query(sql`select pg_sleep(0.02)`, {
        signal: stop.signal,
      });
      setTimeout(() => stop.abort(), 19 + turn % 4);
      await napping.catch(() => {});
      await Promise.all(
        [1, 2, 3].map(() =>
          alone((tx) => tx.query(sql`select pg_sleep(0.02)`))
        ),
      );
    }
  },
  // postgres.js does not say when its request to cancel has arrived.
  { drivers: ["node-postgres"] },
);

onEachDriver(
  "query() that has ended is not reached by its signal",
  async ({ db }) => {
    const stop = new AbortController();
    await db.query(sql`select 1`, { signal: stop.signal });
    stop.abort();
    await db.query(sql`select pg_sleep(0.05)`);
  },
);

onEachDriver(
  "listen() hears what is sent after it is ready, until it is stopped",
  async ({ db }) => {
    const heard = new Heard();
    assert(db.listen);
    const stop = await db.listen("yardmaster_a", heard.notice, heard.ready);
    await until("it is heard", () => heard.readyCount === 1);
    await notify(db, "yardmaster_a", "first");
    await notify(db, "yardmaster_b", "elsewhere");
    await notify(db, "yardmaster_a", "");
    await until("it is heard", () => heard.notices.length === 2);
    await stop();
    await notify(db, "yardmaster_a", "late");
    assert.deepEqual(heard.notices, ["first", ""]);
  },
);

onEachDriver(
  "listen() refuses a channel that is not a plain name",
  ({ db }) => {
    for (const channel of ["", "Yard", 'a"b', "a; select 1", "a".repeat(64)]) {
      assert.throws(() => db.listen?.(channel, () => {}), TypeError);
    }
    return Promise.resolve();
  },
);

onEachDriver(
  "listen() hears again after its connection was killed",
  async ({ db }, other) => {
    const heard = new Heard();
    assert(db.listen);
    const stop = await db.listen("yardmaster_a", heard.notice, heard.ready);
    for (const turn of [2, 3]) {
      await killListeners(other);
      await until("it is heard", () => heard.readyCount >= turn);
      await notify(other, "yardmaster_a", `turn ${turn}`);
      await until("it is heard", () => heard.notices.includes(`turn ${turn}`));
    }
    await stop();
  },
  { drivers },
);

onEachDriver(
  "listen() is not on the handle of a transaction or of one connection",
  async (driver) => {
    await driver.db.transaction((tx) => {
      assert.equal(tx.listen, undefined);
      return Promise.resolve();
    });
    await driver.hostTransaction((tx) => {
      assert.equal(tx.listen, undefined);
      return Promise.resolve();
    });
  },
);

const AFTER_THE_BREAK: Readonly<
  Record<string, (tx: Database) => Promise<unknown>>
> = {
  "commits": () => Promise.resolve("done"),
  "throws": () => Promise.reject(new Error("The host's own")),
  "writes": (tx) => tx.query(sql`insert into notes values (2)`),
  "writes in a transaction of its own": (tx) =>
    tx.transaction((inner) => inner.query(sql`insert into notes values (2)`)),
  "passes over the fault": async (tx) => {
    await tx.query(sql`insert into notes values (2)`).catch(() => {});
    await tx.query(sql`insert into notes values (3)`).catch(() => {});
  },
};

for (const [what, next] of Object.entries(AFTER_THE_BREAK)) {
  onEachDriver(
    `a transaction whose connection breaks fails when it ${what}`,
    async ({ db }, other) => {
      await assert.rejects(db.transaction(async (tx) => {
        const pid = await insertAndTellPid(tx);
        await other.query(sql`select pg_terminate_backend(${pid}::integer)`);
        await until("it is gone", async () => await isGone(other, pid));
        return await next(tx);
      }));
      await db.transaction((tx) => tx.query(sql`insert into notes values (4)`));
      assert.deepEqual(await notesIn(db), [4]);
    },
    { drivers },
  );
}

onEachDriver(
  "a transaction whose connection breaks during a statement fails",
  async ({ db }, other) => {
    const broken = db.transaction(async (tx) => {
      await insertAndTellPid(tx);
      await tx.transaction((inner) => inner.query(sql`select pg_sleep(60)`));
    });
    const failed = assert.rejects(broken);
    await untilAsleep(other);
    await other.query(sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where query like '%pg_sleep(60)%' and state = 'active'
        and pid <> pg_backend_pid() and datname = current_database()
    `);
    await failed;
    await db.transaction((tx) => tx.query(sql`insert into notes values (4)`));
    assert.deepEqual(await notesIn(db), [4]);
  },
  { drivers },
);

async function insertAndTellPid(db: Database): Promise<number> {
  const [row] = await db.query<{ readonly pid: number }>(sql`
    insert into notes values (1) returning pg_backend_pid() as "pid"
  `);
  assert(row);
  return row.pid;
}

async function isGone(db: Database, pid: number): Promise<boolean> {
  const rows = await db.query(sql`
    select from pg_stat_activity where pid = ${pid}::integer
  `);
  return rows.length === 0;
}

/** What a listener was told. */
class Heard {
  readonly notices: string[] = [];
  readyCount = 0;
  readonly notice = (payload: string) => {
    this.notices.push(payload);
  };
  readonly ready = () => {
    this.readyCount += 1;
  };
}

async function notify(db: Database, channel: string, payload: string) {
  await db.query(sql`select pg_notify(${channel}, ${payload})`);
}

async function untilAsleep(db: Database): Promise<void> {
  await until("the statement sleeps", async () => {
    const rows = await db.query(sql`
      select from pg_stat_activity
      where query like '%pg_sleep(60)%' and state = 'active'
        and pid <> pg_backend_pid() and datname = current_database()
    `);
    return rows.length === 1;
  });
}

async function killListeners(db: Database): Promise<void> {
  const killed = await db.query(sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where query ilike 'listen%' and datname = current_database()
  `);
  assert.equal(killed.length, 1);
}
