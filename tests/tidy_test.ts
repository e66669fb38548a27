/** The house rules that can be checked. A message names the culprit and the fix. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { generatedFiles } from "./support/build.ts";
import {
  filesBelow,
  readSources,
  ROOT,
  type SourceFile,
  sourceOf,
} from "./support/sources.ts";

const SOURCES = readSources("src", ...existing("mod.ts"));
const ALL = [
  ...SOURCES,
  ...readSources("tests", ...existing("examples", "fixtures")),
];

function existing(...paths: readonly string[]): string[] {
  return paths.filter((path) => existsSync(join(ROOT, path)));
}

/** Fails with one line per culprit. */
function tidy(culprits: readonly string[]): void {
  if (culprits.length === 0) return;
  throw new Error(`${culprits.length} to tidy:\n  ${culprits.join("\n  ")}`);
}

/** What each folder of `src` may import besides itself and the leaves. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  db: [],
  domain: [],
  store: ["db", "domain"],
  engine: ["db", "domain", "store"],
  control: ["db", "domain", "store"],
  forensics: ["db", "domain", "store"],
  web: ["db", "domain", "store", "control", "forensics"],
  testing: ["db", "domain", "store", "engine", "control", "yardmaster.ts"],
  cli: ["db", "domain", "store", "control", "yardmaster.ts"],
};
/** Files of `src` itself that know nobody, so everybody may know them. */
const LEAVES = [
  "assert.ts",
  "errors.ts",
  "events.ts",
  "seams.ts",
  "unawaited.ts",
];
/** Where a driver, or what a runtime gives, may be used. */
const MAY_KNOW_A_RUNTIME = ["db", "cli"];
const DRIVERS = ["postgres", "pg", "@electric-sql/pglite"];

/** The folder of a file in `src`, or nothing if it lies in `src` itself. */
function folderOf(path: string): string | undefined {
  const [, folder, file] = path.split("/");
  return file === undefined ? undefined : folder;
}

Deno.test("src/ imports point one way", () => {
  tidy(SOURCES.flatMap(wrongArrows));
});

Deno.test("the rule of imports finds what it is there for", () => {
  const wrong: Readonly<Record<string, string>> = {
    "src/domain/job.ts": "../db/sql.ts",
    "src/store/jobs.ts": "../engine/engine.ts",
    "src/engine/engine.ts": "../control/control.ts",
    "src/control/cron.ts": "../engine/engine.ts",
    "src/forensics/job.ts": "../web/render.ts",
    "src/web/app.ts": "../yardmaster.ts",
    "src/web/routes/jobs.ts": "../../engine/engine.ts",
    "src/options.ts": "./web/app.ts",
    "src/new/noun.ts": "../db/sql.ts",
    "src/db/sql.ts": "../../tests/support/build.ts",
  };
  for (const [path, specifier] of Object.entries(wrong)) {
    const file = sourceOf(path, `import { x } from "${specifier}";`);
    assert.equal(wrongArrows(file).length, 1, `${path} to ${specifier}`);
  }
});

function wrongArrows({ path, imports }: SourceFile): string[] {
  const from = folderOf(path);
  return imports.flatMap((each) => {
    if (each.path === null) return [];
    const where = `${path}:${each.line}`;
    if (!each.path.startsWith("src/")) {
      return [`${where}: src may not import ${each.path}`];
    }
    const to = folderOf(each.path);
    if (from === undefined) {
      return to !== "web" || path === "src/yardmaster.ts" || path === "mod.ts"
        ? []
        : [`${where}: only yardmaster.ts may import web`];
    }
    const may = MAY_IMPORT[from];
    if (may === undefined) {
      return [`${path}: add "${from}" to MAY_IMPORT in tests/tidy_test.ts`];
    }
    if (from === to || may.includes(to ?? basename(each.path))) return [];
    if (to === undefined && LEAVES.includes(basename(each.path))) return [];
    return [
      `${where}: ${from} may not import ${each.path}; pass what it needs as ` +
      `an argument, or move it to a layer below`,
    ];
  });
}

Deno.test("src/ imports make no cycle", () => {
  const edges = new Map(SOURCES.map(({ path, imports }) => [
    path,
    imports.flatMap((each) => each.path ?? []),
  ]));
  const done = new Set<string>();
  const culprits: string[] = [];

  function visit(path: string, above: readonly string[]): void {
    const start = above.indexOf(path);
    if (start >= 0) {
      culprits.push(`${[...above.slice(start), path].join(" → ")}: cut one`);
    }
    if (start >= 0 || done.has(path)) return;
    for (const next of edges.get(path) ?? []) visit(next, [...above, path]);
    done.add(path);
  }
  for (const path of edges.keys()) visit(path, []);
  tidy(culprits);
});

Deno.test("only db/ imports a driver, and only db/ and cli/ use what a runtime gives", () => {
  const culprits: string[] = [];
  for (const { path, imports, members } of SOURCES) {
    const folder = folderOf(path) ?? "";
    for (const { specifier, line } of imports) {
      if (DRIVERS.includes(specifier) && !MAY_KNOW_A_RUNTIME.includes(folder)) {
        culprits.push(
          `${path}:${line}: take a Database instead of "${specifier}"`,
        );
      }
      if (
        specifier.startsWith("node:") && !MAY_KNOW_A_RUNTIME.includes(folder)
      ) {
        culprits.push(
          `${path}:${line}: use the web platform, not "${specifier}"`,
        );
      }
      if (/^(npm|jsr|https?):/.test(specifier)) {
        culprits.push(
          `${path}:${line}: map "${specifier}" in deno.json; Bun needs it`,
        );
      }
    }
    if (MAY_KNOW_A_RUNTIME.includes(folder)) continue;
    for (const { name, line } of members) {
      if (/^(Deno|Bun|process|Buffer)\./.test(name)) {
        culprits.push(`${path}:${line}: use the web platform, not ${name}`);
      }
    }
  }
  tidy(culprits);
});

Deno.test("files have at most 300 lines, tests 400; functions 70, statements 100", () => {
  const culprits: string[] = [];
  for (const { path, lineCount, functions, templates } of ALL) {
    const max = path.startsWith("tests/") ? 400 : 300;
    if (lineCount > max) {
      culprits.push(`${path}: ${lineCount} lines of ${max}; split it by noun`);
    }
    // A statement reads by itself, one thought per CTE, and can not be cut.
    const statements = templates.filter(({ tag }) => tag === "sql");
    for (const { line, lineCount } of statements) {
      if (lineCount > 100) {
        culprits.push(
          `${path}:${line}: ${lineCount} lines of SQL; 100 at most`,
        );
      }
    }
    for (const { name, line, start, end, lineCount } of functions) {
      const own = statements
        .filter((each) => each.start >= start && each.start < end)
        .reduce((lines, each) => lines - each.lineCount, lineCount);
      if (own > 70) {
        culprits.push(
          `${path}:${line}: ${name} has ${own} lines of 70; move a thought ` +
            `into a function of its own`,
        );
      }
    }
  }
  tidy(culprits);
});

Deno.test("exported functions take two positional arguments at most", () => {
  // What a function works on comes first and is not counted.
  const context = /^(db|tx|control|c)$/;
  tidy(
    SOURCES.flatMap(({ path, functions }) =>
      functions.filter(({ exported, parameters }) =>
        exported && parameters.filter((name) => !context.test(name)).length > 2
      ).map(({ line, name }) =>
        `${path}:${line}: ${name}: make all arguments but the first one object`
      )
    ),
  );
});

Deno.test("src/ has no default export, no barrel but mod.ts, and does nothing at import", () => {
  const culprits: string[] = [];
  for (const { path, defaultExports, imports, sideEffects } of SOURCES) {
    for (const line of defaultExports) {
      culprits.push(`${path}:${line}: export it by its name`);
    }
    for (const each of imports) {
      if (each.everything) {
        culprits.push(`${path}:${each.line}: say by name what it gives on`);
      }
    }
    for (const line of sideEffects) {
      if (path !== "src/cli/main.ts") {
        culprits.push(`${path}:${line}: put it into a function`);
      }
    }
  }
  tidy(culprits);
});

Deno.test("src/ promises nothing to the compiler with !", () => {
  tidy(
    SOURCES.flatMap(({ path, nonNullAssertions }) =>
      nonNullAssertions.map((line) =>
        `${path}:${line}: check it, or make a type that can not be null`
      )
    ),
  );
});

Deno.test("html templates quote attributes, and have no script, style or handler inside", () => {
  const culprits: string[] = [];
  for (const file of SOURCES) culprits.push(...htmlFaults(file));
  tidy(culprits);
});

Deno.test("the rules of html templates find what they are there for", () => {
  const wrong: readonly string[] = [
    "<a href=${x}>",
    '<a class="b" href=${x}>',
    "<input\n  value=${x}\n>",
    '<p style="color: red">',
    "<style>p {}</style>",
    "<script>go()</script>",
    '<button type="button" onclick="go()">',
    '<a href="/jobs">',
    '<b hx-on:click="go()">',
  ];
  for (const each of wrong) {
    const text = `const x = 1; const y = html\`${each}\`;`;
    assert.equal(htmlFaults(sourceOf("src/web/x.ts", text)).length, 1, each);
  }
  const right =
    'const y = html`<p>a = ${x}</p><a href="${x}">${x} <= ${x}</a>`';
  assert.deepEqual(htmlFaults(sourceOf("src/web/x.ts", right)), []);
});

function htmlFaults({ path, templates }: SourceFile): string[] {
  return templates.filter(({ tag }) => tag === "html").flatMap((template) => {
    const where = `${path}:${template.line}`;
    const whole = template.pieces.join("${}");
    const faults: string[] = [];
    for (const piece of template.pieces.slice(0, -1)) {
      if (
        /<[^>]*\s[\w:-]+=\s*$/.test(piece) || /^[^<>]*\s[\w:-]+=$/.test(piece)
      ) {
        faults.push(`${where}: quote the attribute before \${…}`);
      }
    }
    if (/<style/i.test(whole)) faults.push(`${where}: move it into assets/`);
    if (/<script(?![^>]*\ssrc=)/i.test(whole)) {
      faults.push(`${where}: move the script into assets/`);
    }
    if (/<[^>]*\sstyle=/i.test(whole)) {
      faults.push(`${where}: use a class, not a style attribute`);
    }
    if (/<[^>]*\s(on\w+|hx-on[\w:-]*)=/i.test(whole)) {
      faults.push(`${where}: use a form or htmx, not a handler`);
    }
    if (/(href|action|src|hx-(get|post))="\/(?!\/)/i.test(whole)) {
      faults.push(`${where}: take the link from paths`);
    }
    return faults;
  });
}

Deno.test("statements take their instant from db.now", () => {
  const culprits = SOURCES.flatMap(({ path, templates }) =>
    templates.filter(({ tag, pieces }) =>
      tag === "sql" &&
      /\b(now\(\)|current_timestamp\b|clock_timestamp\(\))/i.test(
        pieces.join("").replaceAll(/--.*$/gm, ""),
      )
    ).map(({ line }) =>
      `${path}:${line}: write \${db.now}, or no test can move it`
    )
  );
  for (const path of filesBelow("migrations")) {
    const text = readFileSync(join(ROOT, path), "utf8").replaceAll(
      /--.*$/gm,
      "",
    );
    if (/default\s+(now\(\)|current_timestamp)/i.test(text)) {
      culprits.push(
        `${path}: no default now(); the statement brings the instant`,
      );
    }
    if (
      /^\s*(begin|commit)\s*;|concurrently/im.test(
        text.replaceAll(/\$\$.*?\$\$/gs, ""),
      )
    ) {
      culprits.push(`${path}: a migration is one transaction; leave it out`);
    }
  }
  tidy(culprits);
});

/** Words of the column "Not" that can mean nothing else in our code. */
const NOT_OUR_WORDS: Readonly<Record<string, string>> = {
  "dequeue": "claim",
  "requeue": "retry or stage",
  "reschedule": "snooze",
  "backlog": "ready",
  "throttle": "limiter",
  "quota": "limiter",
  "shard": "partition",
  "dead letter": "outcome",
  "retry count": "attempt",
  "job payload": "args",
  "job data": "args",
};

Deno.test("names use our words", () => {
  tidy(ALL.flatMap(({ path, names }) =>
    names.flatMap(({ name, line }) => {
      const words = ` ${
        name.replaceAll(/([a-z])([A-Z])/g, "$1 $2").replaceAll("_", " ")
          .toLowerCase()
      } `;
      return Object.entries(NOT_OUR_WORDS)
        .filter(([word]) => words.includes(` ${word} `))
        .map(([word, ours]) =>
          `${path}:${line}: ${name}: ${word} is ${ours} here`
        );
    })
  ));
});

Deno.test("names and the columns of rows are in camel case", () => {
  // A host's driver may turn snake_case columns into something else. Pages read
  // no rows, but write the parameters of their addresses so.
  const reading = SOURCES.filter(({ path }) => !path.startsWith("src/web/"));
  tidy(reading.flatMap(({ path, names }) => {
    const snakes = names.filter(({ name }) => /[a-z]_[a-z]/.test(name));
    return snakes.map(({ name, line }) =>
      `${path}:${line}: ${name}: write camelCase, and alias the column`
    );
  }));
});

Deno.test("files are named after what they hold", () => {
  const vague = [
    "utils.ts",
    "util.ts",
    "helpers.ts",
    "types.ts",
    "index.ts",
    "common.ts",
  ];
  tidy(ALL.flatMap(({ path }) => {
    const name = basename(path);
    if (vague.includes(name)) return [`${path}: name it after its noun`];
    return /^[a-z0-9_]+(\.[a-z]+)*\.ts$/.test(name)
      ? []
      : [`${path}: file names are snake_case.ts`];
  }));
});

Deno.test("generated files are fresh", () => {
  tidy(
    [...generatedFiles()].flatMap(([path, text]) =>
      existsSync(join(ROOT, path)) &&
        readFileSync(join(ROOT, path), "utf8") === text
        ? []
        : [`${path}: run "deno task build"`]
    ),
  );
});
