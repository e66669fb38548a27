/** Many do things to one database at once, each again and again. */
import postgres from "postgres";
import type { Database } from "../../../src/db/database.ts";
import { postgresJs } from "../../../src/db/postgres_js.ts";

/** What one of them does, on connections of its own. */
export interface Racer {
  readonly name: string;
  once(db: Database): Promise<unknown>;
}

/** How it went. */
export interface Race {
  /** How often each came to its end. */
  readonly done: Readonly<Record<string, number>>;
  /** What they were told when they did not: by whom, and the words. */
  readonly faults: readonly string[];
}

/** Lets them race until the time is over. What each throws is kept. */
export async function race(racers: readonly Racer[], { url, ms }: {
  readonly url: string;
  readonly ms: number;
}): Promise<Race> {
  const untilMs = performance.now() + ms;
  const done: Record<string, number> = {};
  const faults: string[] = [];
  await Promise.all(racers.map(async ({ name, once }) => {
    const pool = postgres(url, {
      max: 2,
      fetch_types: false,
      onnotice: () => {},
    });
    const db = postgresJs(pool);
    while (performance.now() < untilMs) {
      try {
        await once(db);
        done[name] = (done[name] ?? 0) + 1;
      } catch (error) {
        faults.push(`${name}: ${error}`);
      }
    }
    await pool.end({ timeout: 1 });
  }));
  return { done, faults };
}
