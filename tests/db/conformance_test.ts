/** One suite for every driver: whatever it does by itself, we get the same. */
import type { PGlite } from "@electric-sql/pglite";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Bindable } from "../../src/db/sql.ts";
import { json, sql } from "../../src/db/sql.ts";
import {
  DRIVER_NAMES,
  type OpenDriver,
  openDriver,
} from "../support/drivers.ts";
import { openMigratedPGlite } from "../support/pglite.ts";
import { usePostgres } from "../support/postgres.ts";

const testPostgres = usePostgres();
let lite: PGlite;
// Postgres inside PGlite sets timers of its own, and both sanitizers see them.
Deno.test.sanitizer({ ops: false, resources: false });
Deno.test.beforeAll(async () => {
  lite = await openMigratedPGlite();
});
Deno.test.afterAll(() => lite.close());

type Fact = (driver: OpenDriver) => Promise<void>;

/** Runs a test on each driver, also as a host with habits of its own opens it. */
function onEachDriver(name: string, fact: Fact): void {
  for (const driverName of DRIVER_NAMES) {
    Deno.test(`${driverName}: ${name}`, async () => {
      await using world = await testPostgres();
      for (const odd of [false, true]) {
        await using driver = openDriver(driverName, {
          url: world.url,
          lite,
          odd,
        });
        await driver.db.script(`
          drop table if exists notes;
          create table notes (id integer primary key, text text);
        `);
        await fact(driver);
      }
    });
  }
}

/** Asserts that `promise` rejects with that SQLSTATE. */
async function rejectsWith(promise: Promise<unknown>, code: string) {
  await assert.rejects(promise, { code });
}

async function notes({ db }: Pick<OpenDriver, "db">): Promise<unknown[]> {
  const rows = await db.query<{ id: number }>(sql`
    select id from notes order by id
  `);
  return rows.map((row) => row.id);
}

onEachDriver("query() reads each type as one kind of value", async ({ db }) => {
  const rows = await db.query(sql`
    select
      1::smallint as "int2", 2::integer as "int4",
      9223372036854775807::bigint as "int8",
      1.5::real as "float4", 'NaN'::float8 as "float8", 1.10::numeric as "numeric",
      true as "bool", 'ü'::text as "text", 'x'::varchar as "varchar",
      '{"a": [1, null]}'::jsonb as "jsonb", '"text"'::json as "json",
      '2026-01-15 12:00:00.123456+05:30'::timestamptz as "instant",
      '2026-01-15'::date as "date", interval '90 minutes' as "interval",
      '\x00ff'::bytea as "bytes", null::integer as "nothing",
      'executing'::yardmaster.job_state as "state",
      '01890000-0000-7000-8000-000000000000'::uuid as "uuid"
  `);
  assert.deepEqual(rows, [{
    int2: 1,
    int4: 2,
    int8: "9223372036854775807",
    float4: 1.5,
    float8: NaN,
    numeric: "1.10",
    bool: true,
    text: "ü",
    varchar: "x",
    jsonb: { a: [1, null] },
    json: "text",
    instant: new Date("2026-01-15T06:30:00.123Z"),
    date: "2026-01-15",
    interval: "01:30:00",
    bytes: new Uint8Array([0, 255]),
    nothing: null,
    state: "executing",
    uuid: "01890000-0000-7000-8000-000000000000",
  }]);
});

onEachDriver("query() reads arrays, with nulls inside", async ({ db }) => {
  const rows = await db.query(sql`
    select
      '{1,null}'::bigint[] as "int8s", '{1,2}'::integer[] as "int4s",
      '{t,null,f}'::boolean[] as "bools", '{1.5}'::float8[] as "floats",
      array['a,b', 'c"d', 'e\f', '', 'NULL', null, '{', ' '] as "texts",
      array['2026-01-15 12:00Z'::timestamptz, null] as "instants",
      array['{"a":"b\"c"}'::jsonb, '1'] as "jsonbs",
      array['\x01'::bytea] as "bytes", '{}'::text[] as "none",
      '{{1,2},{3,4}}'::integer[] as "nested", '[0:1]={5,6}'::integer[] as "bounds",
      array['ready']::yardmaster.preview_status[]::text[] as "statuses"
  `);
  assert.deepEqual(rows, [{
    int8s: ["1", null],
    int4s: [1, 2],
    bools: [true, null, false],
    floats: [1.5],
    texts: ["a,b", 'c"d', "e\\f", "", "NULL", null, "{", " "],
    instants: [new Date("2026-01-15T12:00:00Z"), null],
    jsonbs: [{ a: 'b"c' }, 1],
    bytes: [new Uint8Array([1])],
    none: [],
    nested: [[1, 2], [3, 4]],
    bounds: [5, 6],
    statuses: ["ready"],
  }]);
});

onEachDriver("query() binds what it reads", async ({ db }) => {
  const instant = new Date("2026-01-15T12:00:00.123Z");
  const [row] = await db.query(sql`
    select
      ${1}::integer as "int4", ${"9007199254740993"}::bigint as "int8",
      ${1.5}::float8 as "float8", ${NaN}::float8 as "nan",
      ${false}::boolean as "bool", ${"\\ü'"}::text as "text",
      ${null}::text as "nothing", ${instant}::timestamptz as "instant",
      ${new Uint8Array([0, 1, 255])}::bytea as "bytes",
      ${["1", null]}::bigint[] as "int8s", ${[1, null]}::integer[] as "int4s",
      ${[true, null, false]}::boolean[] as "bools",
      ${[instant, null]}::timestamptz[] as "instants",
      ${["a,b", 'c"d', "e\\f", "", "NULL", null, "{}"]}::text[] as "texts",
      ${[]}::text[] as "none",
      ${["ready"]}::yardmaster.preview_status[]::text[] as "statuses"
  `);
  assert.deepEqual(row, {
    int4: 1,
    int8: "9007199254740993",
    float8: 1.5,
    nan: NaN,
    bool: false,
    text: "\\ü'",
    nothing: null,
    instant,
    bytes: new Uint8Array([0, 1, 255]),
    int8s: ["1", null],
    int4s: [1, null],
    bools: [true, null, false],
    instants: [instant, null],
    texts: ["a,b", 'c"d', "e\\f", "", "NULL", null, "{}"],
    none: [],
    statuses: ["ready"],
  });
});

onEachDriver(
  "query() gives back any text and any instant that it was given",
  async ({ db }) => {
    // A lone surrogate is not text, and Postgres keeps no NUL in it.
    const text = fc.string({ unit: "grapheme" }).filter((it) =>
      !it.includes("\0")
    );
    const instant = fc.date({
      noInvalidDate: true,
      min: new Date("0001-01-01T00:00:00Z"),
      max: new Date("+012000-01-01T00:00:00Z"),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.option(text)),
        instant,
        async (texts, at) => {
          const [row] = await db.query(sql`
        select ${texts}::text[] as "texts", ${at}::timestamptz as "at"
      `);
          assert.deepEqual(row, { texts, at });
        },
      ),
      { numRuns: 50 },
    );
  },
);

onEachDriver("json() never encodes twice", async ({ db }) => {
  for (
    const value of ["text", '{"a":1}', 'a"b', 7, true, null, [], { a: "b" }]
  ) {
    const [row] = await db.query(sql`
      select ${json(value)} as "value", jsonb_typeof(${json(value)}) as "type"
    `);
    const type = value === null
      ? "null"
      : Array.isArray(value)
      ? "array"
      : typeof value;
    assert.deepEqual(row, { value, type });
  }
  assert.deepEqual(await db.query(sql`select ${json(undefined)} as "value"`), [
    { value: null },
  ]);
});

onEachDriver(
  "query() finds a bigint by its text, and compares it as a number",
  async ({ db }) => {
    const rows = await db.query(sql`
    select id::text as "id" from (values (2::bigint), (10)) as jobs (id)
    where id > ${"2"} and id = any(${["10"]}) order by id limit ${1}
  `);
    assert.deepEqual(rows, [{ id: "10" }]);
  },
);

onEachDriver("query() binds 50,000 elements as one value", async ({ db }) => {
  const ids = Array.from({ length: 50_000 }, (_, index) => String(index));
  const rows = await db.query(sql`
    select count(distinct id) as "count", max(id) as "last"
    from unnest(${ids}::bigint[]) as job (id)
  `);
  assert.deepEqual(rows, [{ count: "50000", last: "49999" }]);
});

onEachDriver(
  "query() refuses what no column can hold, before it is sent",
  async ({ db }) => {
    const wrong = [
      undefined,
      new Date(NaN),
      { a: 1 },
      [[1]],
      [undefined],
      Symbol(),
    ];
    for (const value of wrong) {
      await assert.rejects(
        db.query(sql`select ${value as Bindable} as "value"`),
        { name: "TypeError", message: /^Cannot bind \$1: it is / },
      );
    }
  },
);

onEachDriver(
  "query() throws the SQLSTATE as code, and the connection lives on",
  async ({ db }) => {
    await rejectsWith(db.query(sql`select 1 / ${0}::integer`), "22012");
    await rejectsWith(db.query(sql`select ${NaN}::integer`), "22P02");
    await rejectsWith(db.query(sql`select ${"\0"}::text`), "22021");
    await rejectsWith(
      db.query(sql`select ${"9223372036854775808"}::bigint`),
      "22003",
    );
    await rejectsWith(db.query(sql`select * from nowhere`), "42P01");
    await rejectsWith(db.query(sql`selec`), "42601");
    await db.query(sql`insert into notes values (1)`);
    await rejectsWith(db.query(sql`insert into notes values (${1})`), "23505");
    assert.deepEqual(await notes({ db }), [1]);
  },
);

onEachDriver("query() leaves no named statement behind", async ({ db }) => {
  await db.transaction(async (tx) => {
    await tx.query(sql`select ${1}::integer as "of ours"`);
    await tx.query(sql`select ${1}::integer as "of ours"`);
    const ours = await tx.query(sql`
      select name from pg_prepared_statements where statement like '%of ours%'
    `);
    assert.deepEqual(ours, []);
  });
});

onEachDriver(
  "query() answers a statement without rows with none",
  async ({ db }) => {
    assert.deepEqual(await db.query(sql`select where false`), []);
    assert.deepEqual(await db.query(sql`insert into notes values (1)`), []);
    assert.deepEqual(await db.query(sql``), []);
  },
);

onEachDriver(
  "transaction() commits what resolves, and answers with it",
  async (driver) => {
    const answer = await driver.db.transaction(async (tx) => {
      await tx.query(sql`insert into notes values (1)`);
      return [1, 2];
    });
    assert.deepEqual(answer, [1, 2]);
    assert.deepEqual(await notes(driver), [1]);
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
    assert.deepEqual(await notes(driver), []);
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
    assert.deepEqual(await notes(driver), [1, 4]);
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
    assert.deepEqual(await notes(driver), [1, 3]);
  },
);

onEachDriver(
  "transaction() does not resolve when a failed statement was passed over",
  async (driver) => {
    await assert.rejects(driver.db.transaction(async (tx) => {
      await tx.query(sql`insert into notes values (1)`);
      await tx.query(sql`select 1 / 0`).catch(() => {});
    }));
    assert.deepEqual(await notes(driver), []);
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
    assert.deepEqual(await notes(driver), []);
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
    assert.deepEqual(await notes(driver), [1, 2]);
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
    assert.deepEqual(await notes(driver), [1, 2]);
  },
);

onEachDriver("query() with an aborted signal sends nothing", async ({ db }) => {
  await rejectsWith(
    db.query(sql`insert into notes values (1)`, {
      signal: AbortSignal.abort("enough"),
    }),
    "57014",
  );
  assert.deepEqual(await notes({ db }), []);
});

onEachDriver("script() runs several statements", async (driver) => {
  await driver.db.script(
    "insert into notes values (1); insert into notes values (2);",
  );
  assert.deepEqual(await notes(driver), [1, 2]);
});

Deno.test("an adapter refuses a schema that is not a plain name", async () => {
  await using world = await testPostgres();
  for (
    const schema of ["", "Yard", "pg_x", 'a"b', "a.b", "1a", "a".repeat(49)]
  ) {
    for (const name of DRIVER_NAMES) {
      await using driver = openDriver(name, { url: world.url, lite });
      assert.throws(
        () => driver.in(schema),
        { name: "TypeError", message: /^Cannot use schema/ },
      );
    }
  }
});
