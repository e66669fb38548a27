/**
 * The tables of `docs/` that are made from the code. In a page they stand between
 * `<!-- table: name -->` and `<!-- end -->`; `deno run -A
 * tests/support/doc_tables.ts` writes them anew, and a lane says when it must.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CliIo, main } from "../../src/cli/main.ts";
import {
  nextStepLabel,
  type Refusal,
  REFUSALS,
  refused,
} from "../../src/control/refusal.ts";
import { ACTION_POLICIES, ACTIONS } from "../../src/domain/action.ts";
import {
  CRON_BOUNDS,
  CRON_CATCH_UPS,
  CRON_OVERLAPS,
} from "../../src/domain/cron_entry.ts";
import { DIAGNOSES } from "../../src/domain/diagnosis.ts";
import { CLEARS } from "../../src/domain/explain_reason.ts";
import {
  CANCEL_FROM,
  JOB_BOUNDS,
  JOB_STATES,
  RETRY_FROM,
} from "../../src/domain/job.ts";
import { RUNBOOK, STEPS } from "../../src/domain/runbook_steps.ts";
import { ABORT_SENTENCES } from "../../src/engine/abort_reason.ts";
import { OPTION_DEFAULTS } from "../../src/options.ts";
import { type Permission, PERMISSIONS } from "../../src/seams.ts";
import { REFUSAL_STATUS } from "../../src/web/refusal_status.ts";
import { chaosRows } from "../chaos/results.ts";
import { SCENARIOS } from "../chaos/scenarios.ts";
import {
  code,
  decisionRows,
  errorRows,
  eventRows,
  memberRows,
  optionRows,
  type Row,
  table,
} from "./doc_rows.ts";
import {
  CATCH_UPS,
  CLEAR_WORDS,
  OVERLAPS,
  RUN_ENDS,
  VIEWS,
  WAITS,
} from "./doc_words.ts";
import { readPages } from "./markdown.ts";
import { ROOT } from "./sources.ts";

const CHUNK_RULE = "src/engine/chunk_rule.ts";

const MARK = /<!-- table: (\w+) -->\n([\s\S]*?)<!-- end -->/g;

/** What stands between the marks of a page, and what must. */
export interface DocTable {
  readonly name: string;
  readonly is: string;
  readonly must: string;
}

/** Every marked table of a page. */
export async function tablesOf(text: string): Promise<DocTable[]> {
  const tables: DocTable[] = [];
  for (const [, name = "", is = ""] of text.matchAll(MARK)) {
    const make = Object.hasOwn(TABLES, name) ? TABLES[name] : undefined;
    if (make === undefined) throw new Error(`There is no table "${name}"`);
    tables.push({ name, is: plain(is), must: plain(await make()) });
  }
  return tables;
}

/** The formatter pads cells and breaks lines: neither is part of a table. */
function plain(text: string): string {
  return text.replaceAll(/-{3,}/g, "---").replaceAll(/\s+/g, " ").trim();
}

function defaultIf(isDefault: boolean): string {
  return isDefault ? " (when left out)" : "";
}

const TABLES: Readonly<Record<string, () => string | Promise<string>>> = {
  permissions: () =>
    table(
      ["permission", "asked about", "what it allows"],
      PERMISSIONS.map((name) => [code(name), askedAbout(name), allows(name)]),
    ),
  actions: () =>
    table(
      ["action", "on", "reason", "risk", "preview holds", "audit event"],
      ACTIONS.map((name) => {
        const { targetType, reason, risk, ttlMs, eventType } =
          ACTION_POLICIES[name];
        const least = reason.minCharacters;
        return [
          code(name),
          code(targetType),
          reason.required ? `required, from ${least} characters` : "optional",
          risk,
          `${ttlMs / 60_000} minutes`,
          code(eventType),
        ];
      }),
    ),
  refusals: () =>
    table(
      ["refusal", "status", "what it says", "what is possible then"],
      REFUSALS.map((name) => refusalRow(name)),
    ),
  states: () =>
    table(
      ["state", "it waits for", "retry", "cancel, discard"],
      JOB_STATES.map((state) => [
        code(state),
        WAITS[state],
        RETRY_FROM.includes(state) ? "yes" : "",
        CANCEL_FROM.includes(state) ? "yes" : "",
      ]),
    ),
  abort_kinds: () =>
    table(
      ["`signal.reason.kind`", "what has happened"],
      Object.entries(ABORT_SENTENCES).map(([kind, says]) => [code(kind), says]),
    ),
  diagnoses: () =>
    table(
      ["diagnosis", "title", "what it says"],
      Object.entries(DIAGNOSES).map((
        [name, { title, why }],
      ) => [code(name), title, why]),
    ),
  reasons: () =>
    table(
      ["reason", "title", "it clears", "steps, as far as they are legal"],
      Object.entries(CLEARS).map(([name, clears]) => {
        const steps = RUNBOOK[name as keyof typeof CLEARS]
          .filter((step) => step !== "review_subject")
          .map((step) => STEPS[step].label);
        const { title } = DIAGNOSES[name as keyof typeof CLEARS];
        return [code(name), title, CLEAR_WORDS[clears], steps.join("; ")];
      }),
    ),
  errors: () => table(["class", "`code`", "what it says"], errorRows()),
  options: () => table(["option", "needed", "what it is"], optionRows()),
  defaults: () =>
    table(
      ["default", "value"],
      Object.entries(OPTION_DEFAULTS).map(([key, value]) => [
        code(key),
        typeof value === "number"
          ? value.toLocaleString("en")
          : code(String(value)),
      ]),
    ),
  bounds: () =>
    table(
      ["bound", "value"],
      Object.entries(JOB_BOUNDS).map(([key, value]) => [
        code(key),
        value.toLocaleString("en"),
      ]),
    ),
  decisions: () => decisionRows().join("\n"),
  events: () => table(["event", "facts", "when"], eventRows()),
  worker: () =>
    table(
      ["key", "what it is"],
      memberRows("src/engine/worker.ts", "WorkerDefinition"),
    ),
  chunk: () =>
    table(["key", "what it is"], memberRows(CHUNK_RULE, "ChunkOptions")),
  hooks: () =>
    table(
      ["hook", "when"],
      memberRows("src/engine/hooks.ts", "WorkerHooks"),
    ),
  enqueue: () =>
    table(
      ["key", "what it is"],
      memberRows("src/engine/enqueue_options.ts", "EnqueueOptions"),
    ),
  unique: () =>
    table(
      ["key", "what it says"],
      memberRows("src/domain/unique_key.ts", "UniqueOptions"),
    ),
  cron_entry: () =>
    table(
      ["key", "what it is"],
      memberRows("src/domain/cron_entry.ts", "CronDeclaration"),
    ),
  run_ends: () =>
    table(
      ["`end`", "what the run came to"],
      Object.entries(RUN_ENDS).map(([end, says]) => [code(end), says]),
    ),
  overlaps: () =>
    table(
      ["`overlap`", "what happens"],
      CRON_OVERLAPS.map((name) => [
        code(name),
        OVERLAPS[name] + defaultIf(name === CRON_BOUNDS.overlapDefault),
      ]),
    ),
  catch_ups: () =>
    table(
      ["`catchUp`", "what happens"],
      CRON_CATCH_UPS.map((name) => [
        code(name),
        CATCH_UPS[name] + defaultIf(name === CRON_BOUNDS.catchUpDefault),
      ]),
    ),
  chaos_scenarios: () =>
    table(
      ["scenario", "what it proves"],
      SCENARIOS.map(({ name, about }) => [code(name), about]),
    ),
  chaos_results: () => {
    const [head = [], ...rows] = chaosRows();
    return table(head, rows);
  },
  help: async () => `\`\`\`text\n${await helpText()}\n\`\`\``,
};

function askedAbout(name: Permission): string {
  const action = ACTIONS.find((known) => known === name);
  if (action !== undefined) return code(ACTION_POLICIES[action].targetType);
  return name === "view_job_detail" ? code("job") : code("page");
}

function allows(name: Permission): string {
  const action = ACTIONS.find((known) => known === name);
  if (action !== undefined) return ACTION_POLICIES[action].effect;
  const words = VIEWS[name];
  if (words === undefined) throw new Error(`Say what ${name} shows, in VIEWS`);
  return words;
}

function refusalRow(name: Refusal): Row {
  const { message, legalNextSteps } = refused(name);
  const status = String(REFUSAL_STATUS[name]);
  const steps = legalNextSteps.map(nextStepLabel).join("; ");
  return [code(name), status, message, steps];
}

async function helpText(): Promise<string> {
  const lines: string[] = [];
  const io: CliIo = { env: {}, out: (line) => lines.push(line), err() {} };
  await main(["--help"], io);
  return lines.join("\n");
}

async function writeTables(): Promise<void> {
  for (const { path, text } of readPages()) {
    let written = text;
    for (const [whole, name = ""] of text.matchAll(MARK)) {
      const made = await TABLES[name]?.();
      written = written.replace(
        whole,
        () => `<!-- table: ${name} -->\n\n${made}\n\n<!-- end -->`,
      );
    }
    if (written !== text) writeFileSync(join(ROOT, path), written);
  }
}

if (import.meta.main) await writeTables();
