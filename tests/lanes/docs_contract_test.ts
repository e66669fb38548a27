/**
 * What the pages say is so: every block of code in them is run, every table is
 * that of the code, every link leads somewhere.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import postgres from "postgres";
import { main } from "../../src/cli/main.ts";
import { DIAGNOSES } from "../../src/domain/diagnosis.ts";
import { postgresJs } from "../../src/db/postgres_js.ts";
import { tablesOf } from "../support/doc_tables.ts";
import { forbiddenIn } from "../support/forbidden_phrases.ts";
import { startHost } from "../support/host_process.ts";
import { givenJob } from "../support/job_world.ts";
import {
  type Block,
  type Page,
  pageOf,
  readPages,
} from "../support/markdown.ts";
import { usePostgres } from "../support/postgres.ts";
import { ROOT } from "../support/sources.ts";
import { until } from "../support/until.ts";
import { Visitor } from "../support/visitor.ts";

const testPostgres = usePostgres();
const PAGES = readPages();
const BLOCKS = PAGES.flatMap(({ blocks }) => blocks);
const HOSTS = BLOCKS.filter(({ kind }) => kind === "ts host");
/** A block of another kind would be checked by nobody. */
const KINDS = ["ts", "ts host", "sh"];
const CONFIG = `--config=${join(ROOT, "deno.json")}`;
const JOB_WITHIN_MS = 60_000;

Deno.test("every block in the pages is of a kind that is checked", () => {
  const made = new Set(PAGES.flatMap(({ text }) => textsMadeIn(text)));
  none([
    ...BLOCKS.filter(({ kind, code }) =>
      !KINDS.includes(kind) && !(kind === "text" && made.has(code))
    ).map((block) =>
      `${placeOf(block)}: "${block.kind}" is not one of ${KINDS.join(", ")}`
    ),
    // A fence in a quotation, or code that is only indented.
    ...PAGES.filter(({ prose }) =>
      /```|~~~|(^|\n)(?![ ]*[-*\d|])[^\n]*\n\n( {4,}|\t)\S/.test(prose)
    ).map(({ path }) => `${path}: has code outside of a block`),
  ]);
});

/** Output that a table of ours holds, which another test compares. */
function textsMadeIn(text: string): string[] {
  return [...text.matchAll(/<!-- table: \w+ -->([\s\S]*?)<!-- end -->/g)]
    .flatMap(([, made = ""]) => pageOf("", made).blocks)
    .map(({ code }) => code);
}

Deno.test("every TypeScript block in the pages runs, but for whole hosts", async () => {
  await using world = await testPostgres();
  await using folder = await tempFolder();
  const files: string[] = [];
  for (const { path, text, blocks } of PAGES) {
    if (!blocks.some(({ kind }) => kind === "ts")) continue;
    files.push(join(folder.path, path));
    await mkdir(dirname(join(folder.path, path)), { recursive: true });
    // Lines stay where they are, so that a message names the right one.
    const copy = text.replaceAll(/^```ts host$/gm, "```ts ignore");
    await writeFile(join(folder.path, path), copy);
  }
  const junit = join(folder.path, "junit.xml");
  const run = await deno(
    ["test", "-A", CONFIG, "--doc", `--junit-path=${junit}`, ...files],
    { cwd: folder.path, env: { DATABASE_URL: world.url } },
  );
  assert.equal(run.code, 0, run.output);
  const ran = (await readFile(junit, "utf8")).match(/<testcase\b/g)?.length;
  const wanted = BLOCKS.filter(({ kind }) => kind === "ts").length;
  assert.equal(ran, wanted, `${ran} of ${wanted} blocks were run`);
});

Deno.test("the whole hosts in the pages have the right types", async () => {
  await using folder = await tempFolder();
  const files = HOSTS.map((_, index) => join(folder.path, `host_${index}.ts`));
  for (const [index, file] of files.entries()) {
    await writeFile(file, HOSTS[index]?.code ?? "");
  }
  const options = { cwd: folder.path, env: {} };
  const checked = await deno(["check", CONFIG, ...files], options);
  assert.equal(checked.code, 0, checked.output);
});

for (const host of HOSTS) {
  Deno.test(`the host in ${placeOf(host)} starts, shows a job that ran, and stops`, async () => {
    await using world = await testPostgres();
    await using folder = await tempFolder();
    const file = join(folder.path, "host.ts");
    await writeFile(file, host.code);
    const env = { DATABASE_URL: world.url };
    const isServed = /^export default /m.test(host.code);
    const started = await startHost([
      // The folders that a host makes are made there.
      ...["env", "-C", folder.path, Deno.execPath()],
      ...(isServed ? ["serve", "--port=0", "--host=127.0.0.1"] : ["run"]),
      ...["-A", CONFIG, file],
    ], env);
    try {
      await assertServes(started.origin, host);
    } finally {
      const code = await started.stop();
      if (!isServed) assert.equal(code, 0, "a host that stops says so");
    }
  });
}

/** Somebody who is signed in sees a job that completed, nobody sees nothing. */
async function assertServes(origin: string, { code }: Block): Promise<void> {
  const visitor = new Visitor((request) => {
    request.headers.set("x-user", "ops-demo");
    return fetch(request, { redirect: "manual" });
  }, { origin });
  const overview = await visitor.open("/ops/jobs");
  assert.equal(overview.status, 200, overview.text);

  const stranger = await fetch(`${origin}/ops/jobs`, { redirect: "manual" });
  await stranger.body?.cancel();
  const isOpen = code.includes('currentActor: () => ({ id: "ops-demo" })');
  const expected = isOpen ? [200] : [303, 403];
  assert.ok(expected.includes(stranger.status), `it is ${stranger.status}`);

  await until("a job completed", async () => {
    const jobs = await visitor.open("/ops/jobs/jobs?state=completed");
    return /href="\/ops\/jobs\/jobs\/\d+/.test(jobs.html);
  }, { limitMs: JOB_WITHIN_MS, lookMs: 200 });
}

Deno.test("every command in the pages exists, and ours run", async (t) => {
  await using world = await testPostgres();
  for (const block of BLOCKS.filter(({ kind }) => kind === "sh")) {
    for (const line of commandsOf(block)) {
      await t.step(`${placeOf(block)}: ${line}`, () => check(line, world.url));
    }
  }
});

function commandsOf({ code }: Block): string[] {
  return code.replaceAll(/\\\n\s*/g, "").split("\n")
    .map((line) => line.replace(/\s+#.*$/, "").trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** Commands that are not ours, and that a reader knows or can look up. */
const OTHERS = /^(npm (init|install) |npx -y bun@|createdb |curl |kill |cd )/;

async function check(line: string, url: string): Promise<void> {
  const command = line.replace(/^([A-Z_]+=\S+ )+/, "")
    .replace(/^npx -y deno@\S+ /, "deno ");
  const [, task, words = ""] = /^deno task (\w+)(.*)$/.exec(command) ?? [];
  if (task !== undefined) checkTask(task, words);
  const named = task === "test" ? words.match(/\S+/g) ?? [] : [];
  const [, tested] = /^deno test -A (\S+)$/.exec(command) ?? [];
  for (const path of tested === undefined ? named : [tested]) {
    assert.ok(existsSync(join(ROOT, path)), `There is no ${path}`);
  }
  const [, own] = /^npx yardmaster (.*)$/.exec(command) ?? [];
  if (own !== undefined) return await runOurs(own, url);
  assert.ok(
    task !== undefined || tested !== undefined || OTHERS.test(command) ||
      /^deno (serve|run) -A (--\S+ \S+ )*\w+\.ts$/.test(command) ||
      existsSync(join(ROOT, /^deno run -A (\S+)/.exec(command)?.[1] ?? "?")),
    `Nobody checks this command; see ${import.meta.filename}`,
  );
}

/** There is such a task, and its program knows the options. */
function checkTask(task: string, words: string): void {
  const config = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8"));
  assert.ok(Object.hasOwn(config.tasks, task), `There is no task "${task}"`);
  const [program] = /\S+\.ts/.exec(config.tasks[task]) ?? [];
  for (const [option] of words.matchAll(/--\w+/g)) {
    assert.ok(program, `The task "${task}" takes no ${option}`);
    const text = readFileSync(join(ROOT, program), "utf8");
    assert.ok(text.includes(option), `${program} does not know ${option}`);
  }
}

/** Runs our command line as the page says, on a database that is migrated. */
async function runOurs(words: string, url: string): Promise<void> {
  const job = words.includes("$JOB") ? await completedJob(url) : "";
  const keys = words.includes("$KEYS") ? await keyFile() : "";
  const args = words.split(/\s+/).map((word) =>
    word.replaceAll('"', "").replace("$DATABASE_URL", url)
      .replace("$HEAD", `0:${"0".repeat(64)}`).replace("$JOB", job)
      .replace("$KEYS", keys)
  );
  const said: string[] = [];
  const out = (line: string) => said.push(line);
  const exit = await main(args, { env: { DATABASE_URL: url }, out, err: out });
  assert.equal(exit, 0, said.join("\n"));
}

/** A file of keys as the pages describe it. */
async function keyFile(): Promise<string> {
  const path = join(await mkdtemp(join(tmpdir(), "keys-")), "keys.json");
  const keys = { "2026-11": btoa("k".repeat(32)) };
  const text = JSON.stringify({ current: "2026-11", keys });
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

async function completedJob(url: string): Promise<string> {
  const pool = postgres(url, { max: 1, onnotice: () => {} });
  const job = { state: "completed", attempt: 1 } as const;
  const id = await givenJob(postgresJs(pool), job);
  await pool.end();
  return id;
}

Deno.test("tables that are made from the code say what the code says", async () => {
  let count = 0;
  for (const { path, text } of PAGES) {
    for (const { name, is, must } of await tablesOf(text)) {
      count += 1;
      const advice = "run deno run -A tests/support/doc_tables.ts";
      assert.equal(is, must, `${path}: the table ${name} is old: ${advice}`);
    }
  }
  assert.ok(count > 0, "no table was found");
});

Deno.test("every link and image in the pages leads somewhere", () => {
  const pages = new Map(PAGES.map((page) => [page.path, page]));
  none(PAGES.flatMap((page) =>
    page.links.flatMap((link) => {
      const { file, anchor, line, target } = link;
      if (file === null) return [];
      const where = `${page.path}:${line}: ${target}`;
      if (!existsSync(join(ROOT, file))) return [`${where} does not exist`];
      if (anchor === null || pages.get(file)?.anchors.includes(anchor)) {
        return [];
      }
      return [`${where} names no heading`];
    })
  ));
});

Deno.test("every page in docs can be reached from the index", () => {
  const pages = new Map(PAGES.map((page) => [page.path, page]));
  const reached = new Set<string>();
  const open = ["docs/README.md"];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const { file } of pages.get(path)?.links ?? []) {
      if (file !== null && pages.has(file)) open.push(file);
    }
  }
  none(
    [...pages.keys()].filter((path) =>
      path.startsWith("docs/") && !reached.has(path)
    ).map((path) => `${path}: link to it from docs/README.md`),
  );
});

Deno.test("what is called tested names the files that test it", () => {
  const page = PAGES.find(({ path }) => path === "docs/operations/support.md");
  const rows = sectionOf(page, "Tested").split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (-+|what) /.test(line));
  assert.ok(rows.length >= 10, "the table of what is tested is not there");
  none(rows.flatMap((row) => {
    const named = [...row.matchAll(/`(tests\/[^`]+)`/g)].map(([, path]) =>
      path ?? ""
    );
    if (named.length === 0) return [`${row}: names no test`];
    return named.filter((path) => !existsSync(join(ROOT, path)))
      .map((path) => `${path} does not exist`);
  }));
});

Deno.test("what troubleshooting calls by name is called so", () => {
  const page = PAGES.find(({ path }) => path.endsWith("/troubleshooting.md"));
  const titles: readonly string[] = Object.values(DIAGNOSES).map(({ title }) =>
    title
  );
  const messages = ["errors.ts", "setup.ts"]
    .map((file) => readFileSync(join(ROOT, "src/web", file), "utf8")).join();
  const namesIn = (heading: string) =>
    sectionOf(page, heading).split("\n")
      .filter((line) => /^\| (?!-|what )/.test(line))
      .map((line) => line.split("|")[1]?.trim() ?? "");
  const jobs = namesIn("A job does not run");
  const pages = namesIn("A page refuses");
  assert.ok(jobs.length > 3 && pages.length > 3, "the tables are not there");
  none([
    ...jobs.filter((name) => !titles.includes(name)),
    ...pages.filter((name) => !messages.includes(`text\`${name}\``)),
  ]);
});

function sectionOf(page: Page | undefined, heading: string): string {
  const [, section = ""] = page?.text.split(`\n## ${heading}\n`) ?? [];
  return section.split("\n## ")[0] ?? "";
}

/** Words of plans and of how the work is organised: a page says what is. */
const PLANS =
  /\b(TODO|FIXME|TBD|WIP|roadmap|milestone|phases?|backlog|upcoming|not yet|for now|eventually|in (the|a) future|will be (added|supported|implemented)|coming)\b/gi;
/** Words that mean nothing, or that the reader must not be told. */
const BOASTS =
  /\b(simply|just|easily|obviously|seamless(ly)?|blazing(ly)?|powerful|robust|leverage|utili[sz]e)\b/gi;

Deno.test("the pages say what is, in plain words", () => {
  none(PAGES.flatMap(({ path, prose }) => {
    const text = prose.replaceAll(/`[^`]*`/g, "");
    const found = [PLANS, BOASTS].flatMap((words) =>
      [...text.matchAll(words)].map((match) =>
        `${path}:${text.slice(0, match.index).split("\n").length}: "${
          match[0]
        }"`
      )
    );
    // A decision may name what others do, and why we do not.
    const named = path.startsWith("docs/decisions/") ? [] : forbiddenIn(text);
    return [...found, ...named.map((each) => `${path}: ${each}`)];
  }));
});

function none(culprits: readonly string[]): void {
  if (culprits.length === 0) return;
  throw new Error(`${culprits.length} to mend:\n  ${culprits.join("\n  ")}`);
}

function placeOf({ path, line }: Block): string {
  return `${path}:${line}`;
}

async function tempFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), "yardmaster-docs-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

async function deno(
  args: readonly string[],
  options: {
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
  },
): Promise<{ readonly code: number; readonly output: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    ...options,
    args: [...args],
    env: { ...options.env, NO_COLOR: "1" },
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, output: decode(stdout) + decode(stderr) };
}
