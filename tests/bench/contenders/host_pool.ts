/** A host's own node-postgres pool beside a peer. */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import type { ContenderOptions } from "../contender.ts";

/** A connection of a pool. */
export interface Client {
  query(text: string, values?: readonly unknown[]): Promise<{
    readonly rows: readonly Readonly<Record<string, unknown>>[];
  }>;
  release(): void;
}

/** What the peers' contenders need of it. */
export interface Pool {
  /** A transaction of the host that writes a row, and what `work` writes. */
  inTransaction(work: (client: Client) => Promise<void>): Promise<void>;
  /** Whether a query finds nothing. */
  isNone(query: string): Promise<boolean>;
  end(): Promise<void>;
}

export async function poolOf(
  { url, cache }: ContenderOptions,
): Promise<Pool> {
  const require = createRequire(`${cache}/package.json`);
  const { default: pg } = await import(
    pathToFileURL(require.resolve("pg")).href
  );
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  return {
    async inTransaction(work) {
      const client: Client = await pool.connect();
      await client.query("begin");
      await client.query(
        "insert into host_rows (note) values ('beside a job')",
      );
      await work(client);
      await client.query("commit");
      client.release();
    },
    async isNone(query) {
      const { rows } = await pool.query(`select exists (${query}) as some`);
      return rows[0]?.some === false;
    },
    end: () => pool.end(),
  };
}
