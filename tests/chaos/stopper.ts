/** Stops this very process at a chosen moment. */
import type { Database, Row } from "../../src/db/database.ts";
import type { Sql } from "../../src/db/sql.ts";
import type { Moment, Stop } from "./worker_settings.ts";

/**
 * Knows the claim and the acknowledgement by what they write, so that nothing in
 * the engine has to know of it.
 */
export class Stopper {
  readonly #stop: Stop | undefined;
  #times = 0;

  constructor(stop: Stop | undefined) {
    this.#stop = stop;
  }

  /** Stops here and now, if this is the moment. */
  reach(moment: Moment): void {
    if (this.#isNow(moment)) this.#act();
  }

  /** The same database, and we are told of every statement. */
  watch(database: Database): Database {
    if (this.#stop === undefined) return database;
    const { listen } = database;
    return {
      schema: database.schema,
      get now() {
        return database.now;
      },
      query: async <R = Row>(
        statement: Sql,
        options?: Parameters<Database["query"]>[1],
      ): Promise<R[]> => {
        const kind = kindOf(statement);
        if (kind === null) return await database.query<R>(statement, options);
        this.reach(`before_${kind}`);
        const answer = database.query<R>(statement, options);
        if (kind === "ack" && this.#isNow("during_ack")) {
          await delay(this.#stop?.laterMs ?? 0);
          this.#act();
        }
        const rows = await answer;
        // A claim that found nothing is no claim.
        if (kind === "ack" || rows.length > 0) this.#answered(`after_${kind}`);
        return rows;
      },
      transaction: (work) => database.transaction((tx) => work(this.watch(tx))),
      script: (text) => database.script(text),
      ...(listen && { listen: listen.bind(database) }),
    };
  }

  #answered(moment: Moment): void {
    if (!this.#isNow(moment)) return;
    if (this.#stop?.how !== "lose") return this.#act();
    console.log("stops");
    throw new Error("The connection broke before the answer came");
  }

  #isNow(moment: Moment): boolean {
    if (this.#stop?.moment !== moment) return false;
    this.#times += 1;
    return this.#times === this.#stop.time;
  }

  #act(): void {
    console.log("stops");
    Deno.kill(Deno.pid, this.#stop?.how === "freeze" ? "SIGSTOP" : "SIGKILL");
  }
}

function kindOf(statement: Sql): "claim" | "ack" | null {
  const { text } = statement.render("yardmaster");
  if (text.includes("insert into yardmaster.leases")) return "claim";
  const endsRuns = text.includes("delete from yardmaster.leases") &&
    text.includes("insert into yardmaster.outcomes");
  // The rescue ends runs as well, those of others.
  return endsRuns && !text.includes("'rescued'") ? "ack" : null;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
