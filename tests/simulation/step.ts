/** One step of a run: in the tables, and in the model. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Database } from "../../src/db/database.ts";
import { compare } from "./compare.ts";
import type { Model } from "./model.ts";
import { idOrder } from "./model_retention.ts";
import type { ModelJob } from "./model_types.ts";

/** The tables, seen by one connection or by several in turns. */
export interface Real {
  readonly connections: readonly Database[];
  setNow(at: Date): void;
}

/** What a step works with. */
export interface Step {
  readonly model: Model;
  /** The connection whose turn it is. */
  readonly db: Database;
  readonly real: Real;
}

export type Command = fc.AsyncCommand<Model, Real>;

/** A step on one of the connections, after which everything is compared. */
export function step(
  name: string,
  turn: number,
  take: (step: Step) => Promise<unknown>,
): Command {
  const on = (real: Real, which: number) => {
    const db = real.connections[which % real.connections.length];
    assert.ok(db);
    return db;
  };
  return {
    check: () => true,
    async run(model, real) {
      await take({ model, real, db: on(real, turn) });
      // What one connection wrote, the next one sees.
      await compare(model, on(real, turn + 1));
    },
    toString: () => `${name} (${turn})`,
  };
}

/** Which connection, and which of many. */
export const turn = fc.nat({ max: 3 });
export const which = fc.nat({ max: 99 });

/** Mostly nothing: what few jobs ask for must not be all that is tried. */
export function rarely<T>(
  oneIn: number,
  some: fc.Arbitrary<T>,
): fc.Arbitrary<T | null> {
  return fc.oneof(
    { weight: oneIn - 1, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: some },
  );
}

export function pick<T>(all: readonly T[], which: number): T | undefined {
  return all[which % Math.max(all.length, 1)];
}

export function inOrder({ jobs }: Model): ModelJob[] {
  return [...jobs.values()].sort(idOrder);
}
