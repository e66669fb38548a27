/** Whatever a driver does with types by itself, we get the same from each. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { type Bindable, json, sql } from "../../src/db/sql.ts";
import { notesIn, rejectsWith, useDrivers } from "../support/drivers.ts";

const onEachDriver = useDrivers();

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
      array['ready']::yardmaster.preview_status[] as "statuses",
      '{}'::yardmaster.preview_status[] as "noStatuses"
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
    noStatuses: [],
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
    assert.deepEqual(await notesIn(db), [1]);
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
  "query() reads instants of a session in any time zone, also of long ago",
  async ({ db }) => {
    for (
      const zone of [
        "UTC",
        "Asia/Kolkata",
        "America/St_Johns",
        "Europe/Amsterdam",
      ]
    ) {
      await db.transaction(async (tx) => {
        await tx.script(`set local timezone to '${zone}'`);
        const instants = [
          new Date("1900-01-01T12:00:00.5Z"),
          new Date("2026-07-01T00:00:00.001Z"),
        ];
        const [row] = await tx.query(sql`
          select ${instants}::timestamptz[] as "instants"
        `);
        assert.deepEqual(row, { instants });
      });
    }
  },
);

onEachDriver(
  "query() refuses to guess what a session prints in a style of its own",
  async ({ db }) => {
    const styles: Readonly<Record<string, string>> = {
      "set local datestyle to 'German'": "'2026-01-15Z'::timestamptz",
      "set local bytea_output to 'escape'": "'\\x00'::bytea",
      "set local timezone to 'UTC'": "'infinity'::timestamptz",
    };
    for (const [style, value] of Object.entries(styles)) {
      await db.script(
        `create or replace view styled as select ${value} as "it"`,
      );
      await assert.rejects(
        db.transaction(async (tx) => {
          await tx.script(style);
          await tx.query(sql`select it from styled`);
        }),
        { name: "TypeError", message: /^Cannot read / },
      );
      await db.script("drop view styled");
    }
  },
);

onEachDriver(
  "query() reads arrays of an enum that was made after it connected",
  async ({ db }) => {
    await db.script(`
      drop type if exists signal;
      create type signal as enum ('red', 'green light');
    `);
    const rows = await db.query(sql`
      select 'red'::signal as "one", array['red', null, 'green light']::signal[]
        as "many", null::signal[] as "none"
    `);
    assert.deepEqual(rows, [
      { one: "red", many: ["red", null, "green light"], none: null },
    ]);
  },
);
