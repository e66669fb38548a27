/** What stands around `perform`. */
import assert from "node:assert/strict";
import { z } from "zod";
import type { Middleware, Next } from "../../src/engine/middleware.ts";
import { cancel } from "../../src/engine/verdict.ts";
import { type AnyWorker, defineWorker } from "../../src/engine/worker.ts";
import {
  createTestClock,
  type RunOutcome,
  runWorker,
} from "../../src/testing/testing.ts";

interface Transaction {
  readonly name: string;
}

const inTransaction = (_run: unknown, next: Next<{ tx: Transaction }>) =>
  next({ tx: { name: "tx" } });

/** What a worker comes to with this around it. */
async function around(
  ...middleware: readonly Middleware[]
): Promise<RunOutcome<unknown> & { readonly performed: number }> {
  let performed = 0;
  const worker = defineWorker({
    name: "work",
    middleware,
    perform: () => {
      performed += 1;
      return "done";
    },
  });
  const outcome = await runWorker(worker, { args: {} });
  return { ...outcome, performed };
}

function messageOf(outcome: RunOutcome<unknown>): string {
  return outcome.kind === "failed" ? String(outcome.error) : outcome.kind;
}

Deno.test("middleware runs in its order on the way in, and backwards on the way out", async () => {
  const order: string[] = [];
  const named = (name: string): Middleware => async (_run, next) => {
    order.push(`${name} in`);
    const value = await next();
    order.push(`${name} out`);
    return value;
  };
  const worker = defineWorker({
    name: "work",
    middleware: [named("first"), named("second")],
    onStart: () => order.push("onStart"),
    onSuccess: () => order.push("onSuccess"),
    perform: () => {
      order.push("perform");
      return 5;
    },
  });
  const outcome = await runWorker(worker, { args: {} });
  assert.deepEqual(outcome, { kind: "completed", value: 5 });
  assert.deepEqual(order, [
    "onStart",
    "first in",
    "second in",
    "perform",
    "second out",
    "first out",
    "onSuccess",
  ]);
});

Deno.test("middleware sees args and run, and gives values to perform with their types", async () => {
  const seen: unknown[] = [];
  const noting: Middleware<object, { customer: number }> = (run, next) => {
    seen.push(run.args.customer, run.worker, run.attempt);
    return next();
  };
  const worker = defineWorker({
    name: "work",
    args: z.object({ customer: z.number() }),
    middleware: [noting, inTransaction],
    perform: ({ customer }, { values }) => {
      // @ts-expect-error: nobody gives it
      seen.push(values.other);
      return `${values.tx.name} ${customer}`;
    },
  });
  const outcome = await runWorker(worker, { args: { customer: 7 } });
  assert.deepEqual(outcome, { kind: "completed", value: "tx 7" });
  assert.deepEqual(seen, [7, "work", 1, undefined]);
});

Deno.test("middleware for other args, or that gives less than it says, does not compile", () => {
  const other: Middleware<object, { order: string }> = (_run, next) => next();
  defineWorker({
    name: "work",
    args: z.object({ customer: z.number() }),
    // @ts-expect-error: there is no order
    middleware: [other],
    perform: () => {},
  });
  // @ts-expect-error: the transaction is missing
  const less: Middleware<{ tx: Transaction }> = (_run, next) => next();
  assert.equal(typeof less, "function");
});

Deno.test("what middleware throws is a failed attempt, and what it returns is what the run came to", async () => {
  const throwing = await around(() => {
    throw new Error("no connection");
  });
  assert.equal(messageOf(throwing), "Error: no connection");
  assert.equal(throwing.performed, 0);

  const after = await around(async (_run, next) => {
    await next();
    throw new Error("can not commit");
  });
  assert.equal(messageOf(after), "Error: can not commit");
  assert.equal(after.performed, 1);

  const instead = await around(() => cancel("switched off"));
  assert.deepEqual(instead, {
    kind: "cancelled",
    reason: "switched off",
    performed: 0,
  });

  const changed = await around(async (_run, next) => `${await next()}!`);
  assert.deepEqual(changed, {
    kind: "completed",
    value: "done!",
    performed: 1,
  });
});

Deno.test("middleware may catch what perform throws", async () => {
  const worker = defineWorker({
    name: "work",
    middleware: [async (_run, next) => {
      try {
        return await next();
      } catch (error) {
        return `caught ${error}`;
      }
    }],
    perform: () => {
      throw new Error("no");
    },
  });
  assert.deepEqual(await runWorker(worker, { args: {} }), {
    kind: "completed",
    value: "caught Error: no",
  });
});

Deno.test("next() twice fails the attempt and performs once, also when nobody looks at the second", async () => {
  const twice = /MiddlewareError: .*called next\(\) twice/;
  const again = await around(async (_run, next) => {
    await next();
    return await next();
  });
  assert.match(messageOf(again), twice);
  assert.equal(again.performed, 1);

  const careless = await around(async (_run, next) => {
    const value = await next();
    void next();
    return value;
  });
  assert.match(messageOf(careless), twice);
  assert.equal(careless.performed, 1);

  const trying = await around(async (_run, next) => {
    await next();
    return await next().catch(() => "all is well");
  });
  assert.match(messageOf(trying), twice);
});

Deno.test("middleware that does not wait for next() fails the attempt, and brings nothing down", async () => {
  const worker = defineWorker({
    name: "work",
    middleware: [(_run, next) => {
      void next();
    }],
    perform: async () => {
      await null;
      throw new Error("nobody waits for this");
    },
  });
  const outcome = await runWorker(worker, { args: {} });
  assert.match(messageOf(outcome), /ended before what it wraps/);

  let late: Promise<unknown> = Promise.resolve();
  let goOn = () => {};
  const ended = await around((_run, next) => {
    const wait = new Promise<void>((resolve) => goOn = resolve);
    late = wait.then(() => next());
    return "early";
  });
  assert.deepEqual(ended, { kind: "completed", value: "early", performed: 0 });
  goOn();
  await assert.rejects(late, /called next\(\) after it had ended/);
});

Deno.test("perform does not begin once the run was told to stop", async () => {
  const clock = createTestClock();
  let performed = 0;
  const worker = defineWorker({
    name: "work",
    timeoutMs: 1_000,
    middleware: [async (_run, next) => {
      await new Promise<void>((resolve) => clock.after(1_500, () => resolve()));
      return await next();
    }],
    perform: () => performed += 1,
  });
  const outcome = runWorker(worker, { args: {}, clock });
  await clock.advanceMs(2_000);
  assert.match(messageOf(await outcome), /took longer than 1000 ms/);
  assert.equal(performed, 0);
});

Deno.test("defineWorker() refuses middleware that is no list of functions", () => {
  const define = (middleware: never): AnyWorker =>
    defineWorker({ name: "work", perform() {}, middleware });
  for (const wrong of ["log", [1], Array.from({ length: 21 }, () => () => 1)]) {
    assert.throws(() => define(wrong as never), /middleware of work is a list/);
  }
});
