/** What statements read when Postgres plans once for all values. */
import assert from "node:assert/strict";
import type { Database } from "../../src/db/database.ts";
import { Sql, sql } from "../../src/db/sql.ts";
import { writeValue } from "../../src/db/values.ts";

/** What Postgres says it did. */
export interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Actual Loops": number;
  readonly "Actual Rows": number;
  /** Of the whole node, where buffers were asked for. */
  readonly "Shared Hit Blocks"?: number;
  readonly "Shared Read Blocks"?: number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Rows Removed by Join Filter"?: number;
  readonly Plans?: readonly PlanNode[];
}

/** Keeps the plan of each statement and how it went, and answers with its rows. */
export function explaining(db: Database, plans: PlanNode[]): Database {
  return {
    ...db,
    now: db.now,
    async query<R>(statement: Sql): Promise<R[]> {
      const [row] = await db.query<
        { "QUERY PLAN": readonly { Plan: PlanNode }[] }
      >(sql`explain (analyze, buffers, format json) ${statement}`);
      plans.push(...(row?.["QUERY PLAN"] ?? []).map(({ Plan }) => Plan));
      return await db.query<R>(statement);
    },
  };
}

/** The tables that a plan really read without an index. */
export function scansOf(plan: PlanNode): readonly string[] {
  const table = plan["Relation Name"] ?? "";
  const below = (plan.Plans ?? []).flatMap(scansOf);
  return plan["Node Type"] === "Seq Scan" && plan["Actual Loops"] > 0
    ? [table, ...below]
    : below;
}

/** The blocks that a plan read, from wherever. */
export function blocksOf(plan: PlanNode): number {
  return (plan["Shared Hit Blocks"] ?? 0) + (plan["Shared Read Blocks"] ?? 0);
}

/** Of a few hundred rows in a full table, this many may be looked at. */
const ROWS_MAX = 2_000;

/** Prepares a statement, runs it by its generic plan and undoes it. */
export async function generalPlan(
  db: Database,
  work: (db: Database) => Promise<unknown>,
): Promise<PlanNode> {
  const plans: PlanNode[] = [];
  const watched: Database = {
    ...db,
    now: db.now,
    async query<R>(statement: Sql): Promise<R[]> {
      const { text, values } = statement.render(db.schema);
      const literals = values.map((value, index) => literal(value, index));
      await db.script(`
        deallocate all;
        set plan_cache_mode = force_generic_plan;
        prepare watched as ${text};
        begin;
      `);
      const [row] = await db.query<
        { "QUERY PLAN": readonly { Plan: PlanNode }[] }
      >(
        new Sql([
          `explain (analyze, format json) execute watched(${literals.join()})`,
        ], []),
      );
      await db.script("rollback");
      plans.push(...(row?.["QUERY PLAN"] ?? []).map(({ Plan }) => Plan));
      return [];
    },
  };
  await work(watched);
  const [plan] = plans;
  assert.ok(plan);
  return plan;
}

function literal(value: unknown, index: number): string {
  const text = writeValue(value, index + 1);
  return text === null ? "null" : `'${text.replaceAll("'", "''")}'`;
}

/** Of a few hundred, each may be compared with some of the others. */
const COMPARED_MAX = 100_000;

/** The tables of which a plan looked at too many rows, and what it compared. */
export function greedy(plan: PlanNode): string[] {
  const rows = plan["Actual Loops"] *
    (plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0));
  const table = plan["Relation Name"];
  const below = (plan.Plans ?? []).flatMap(greedy);
  const compared = plan["Actual Loops"] *
    (plan["Rows Removed by Join Filter"] ?? 0);
  if (compared > COMPARED_MAX) {
    below.push(`${plan["Node Type"]} that compared ${compared} rows`);
  }
  return table !== undefined && rows > ROWS_MAX
    ? [`${plan["Node Type"]} of ${table}: ${rows} rows`, ...below]
    : below;
}
