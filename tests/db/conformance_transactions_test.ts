/** Transactions are the same on each driver, in ours and in the host's own. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { sql } from "../../src/db/sql.ts";
import { notesIn, rejectsWith, useDrivers } from "../support/drivers.ts";

const onEachDriver = useDrivers();

onEachDriver(
  "transaction() commits what resolves, and answers with it",
  async (driver) => {
    const answer = await driver.db.transaction(async (tx) => {
      await tx.query(sql`insert into notes values (1)`);
      return [1, 2];
    });
    assert.deepEqual(answer, [1, 2]);
    assert.deepEqual(await notesIn(driver.db), [1]);
  },
);

onEachDriver(
  "transaction() rolls back what throws, and throws the same",
  async (driver) => {
    const fault = new Error("mine");
    await assert.rejects(
      driver.db.transaction(async (tx) => {
        await tx.query(sql`insert into notes values (1)`);
        throw fault;
      }),
      (error) => error === fault,
    );
    assert.deepEqual(await notesIn(driver.db), []);
  },
);

onEachDriver(
  "transaction() inside of one takes back its own work only",
  async (driver) => {
    await driver.db.transaction(async (tx) => {
      await tx.query(sql`insert into notes values (1)`);
      await rejectsWith(
        tx.transaction(async (inner) => {
          await inner.query(sql`insert into notes values (2)`);
          await inner.transaction((third) =>
            third.query(sql`insert into notes values (3)`)
          );
          await inner.query(sql`select 1 / 0`);
        }),
        "22012",
      );
      await tx.transaction((inner) =>
        inner.query(sql`insert into notes values (4)`)
      );
    });
    assert.deepEqual(await notesIn(driver.db), [1, 4]);
  },
);

onEachDriver(
  "transaction() inside of one waits for the one before",
  async (driver) => {
    await driver.db.transaction(async (tx) => {
      const all = await Promise.allSettled(
        [1, 2, 3, 4].map((id) =>
          tx.transaction(async (inner) => {
            await inner.query(sql`insert into notes values (${id})`);
            if (id % 2 === 0) await inner.query(sql`select 1 / 0`);
          })
        ),
      );
      assert.deepEqual(
        all.map((each) => each.status),
        ["fulfilled", "rejected", "fulfilled", "rejected"],
      );
    });
    assert.deepEqual(await notesIn(driver.db), [1, 3]);
  },
);

onEachDriver(
  "transaction() does not resolve when a failed statement was passed over",
  async (driver) => {
    await assert.rejects(driver.db.transaction(async (tx) => {
      await tx.query(sql`insert into notes values (1)`);
      await tx.query(sql`select 1 / 0`).catch(() => {});
    }));
    assert.deepEqual(await notesIn(driver.db), []);
  },
);

onEachDriver(
  "transaction() throws when its commit is refused",
  async (driver) => {
    await driver.db.script(`
    drop table if exists later;
    create table later (id integer unique deferrable initially deferred);
  `);
    await rejectsWith(
      driver.db.transaction((tx) =>
        tx.query(sql`insert into later values (1), (1)`)
      ),
      "23505",
    );
    assert.deepEqual(await driver.db.query(sql`select * from later`), []);
  },
);

onEachDriver(
  "a handle refuses everything after its transaction",
  async (driver) => {
    let leaked = driver.db;
    await driver.db.transaction(async (tx) => {
      leaked = tx;
      await tx.query(sql`select 1`);
    });
    const ended = { name: "TransactionEndedError", code: "25P01" };
    await assert.rejects(
      leaked.query(sql`insert into notes values (1)`),
      ended,
    );
    await assert.rejects(leaked.script("insert into notes values (1)"), ended);
    await assert.rejects(
      leaked.transaction((tx) => tx.query(sql`insert into notes values (1)`)),
      ended,
    );
    assert.deepEqual(await notesIn(driver.db), []);
  },
);

onEachDriver(
  "a host's own transaction decides over what is written in it",
  async (driver) => {
    await driver.hostTransaction(async (tx) => {
      await tx.query(sql`insert into notes values (1)`);
      await tx.transaction((inner) =>
        inner.query(sql`insert into notes values (2)`)
      );
      await rejectsWith(
        tx.transaction((inner) => inner.query(sql`select 1 / 0`)),
        "22012",
      );
    });
    await assert.rejects(driver.hostTransaction(async (tx) => {
      await tx.query(sql`insert into notes values (3)`);
      await tx.transaction((inner) =>
        inner.query(sql`insert into notes values (4)`)
      );
      throw new Error("The host changed its mind");
    }));
    assert.deepEqual(await notesIn(driver.db), [1, 2]);
  },
);

onEachDriver(
  "a host's single connection begins and ends transactions of its own",
  async (driver) => {
    const { db, release } = await driver.hostConnection();
    await db.transaction(async (tx) => {
      await tx.query(sql`insert into notes values (1)`);
      await tx.transaction((inner) =>
        inner.query(sql`insert into notes values (2)`)
      );
    });
    await assert.rejects(db.transaction(async (tx) => {
      await tx.query(sql`insert into notes values (3)`);
      throw new Error("No");
    }));
    release();
    assert.deepEqual(await notesIn(driver.db), [1, 2]);
  },
);

onEachDriver("script() runs several statements", async (driver) => {
  await driver.db.script(
    "insert into notes values (1); insert into notes values (2);",
  );
  assert.deepEqual(await notesIn(driver.db), [1, 2]);
});

onEachDriver(
  "an adapter refuses a schema that is not a plain name",
  (driver) => {
    const wrong = ["", "Yard", "pg_x", 'a"b', "a.b", "1a", "a".repeat(49)];
    for (const schema of wrong) {
      assert.throws(() => driver.in(schema), {
        name: "TypeError",
        message: /^Cannot use schema/,
      });
    }
    return Promise.resolve();
  },
);

onEachDriver(
  "transaction() bounds how long one of ours may be left open, and no other",
  async (driver) => {
    assert.equal(await driver.db.transaction(idleLimit), "10s");
    assert.equal(
      await driver.db.transaction((tx) => tx.transaction(idleLimit)),
      "10s",
    );
    assert.equal(await idleLimit(driver.db), "0");
    const within = await driver.hostTransaction(async (tx) => [
      await tx.transaction(idleLimit),
      await idleLimit(tx),
    ]);
    assert.deepEqual(within, ["0", "0"]);
    const alone = await driver.hostConnection();
    assert.equal(await alone.db.transaction(idleLimit), "10s");
    assert.equal(await idleLimit(alone.db), "0");
    alone.release();
  },
  // No network can leave one that is in the process.
  { drivers: ["postgres.js", "node-postgres"] },
);

async function idleLimit(db: Database): Promise<string | undefined> {
  const [row] = await db.query<{ limit: string }>(sql`
    select current_setting('idle_in_transaction_session_timeout') as "limit"
  `);
  return row?.limit;
}
