import type { RunWithArgs } from "./run_context.ts";

/**
 * Goes on to the next middleware, and from the last one to `perform`. What is
 * handed in stands in the `values` of the run from there on.
 *
 * Resolves to what `perform` came to: its value, or a verdict. Rejects with what
 * it threw. It can be called once: another try is another attempt.
 */
export type Next<Values extends object = object> = (
  ...values: object extends Values ? [values?: Values] : [values: Values]
) => Promise<unknown>;

/**
 * What stands around `perform`. What it returns is what the run came to, and
 * what it throws is a failed attempt, as if `perform` had thrown it. It need not
 * call `next`: then `perform` does not run.
 *
 * @example
 * ```ts
 * import type { Middleware } from "@yardmaster/yardmaster";
 *
 * export const timed: Middleware = async (run, next) => {
 *   const beganMs = performance.now();
 *   try {
 *     return await next();
 *   } finally {
 *     console.log(run.worker, performance.now() - beganMs);
 *   }
 * };
 * ```
 */
export type Middleware<Values extends object = object, Args = unknown> = (
  run: RunWithArgs<Args>,
  next: Next<Values>,
) => unknown;

/** Around one worker, or around all of an engine. */
export const MIDDLEWARE_MAX = 20;

/** Whether it is a list of functions, and not too long. */
export function areMiddleware(value: unknown): boolean {
  return Array.isArray(value) && value.length <= MIDDLEWARE_MAX &&
    value.every((one) => typeof one === "function");
}

/** A list of middleware that gives these values, around these args. */
export type MiddlewareGiving<Given extends readonly object[], Args> = {
  readonly [Index in keyof Given]: Middleware<Given[Index], Args>;
};

/** Everything that a list of middleware gives. */
export type AllOf<Given extends readonly object[]> = Given extends
  readonly [infer First, ...infer Rest extends readonly object[]]
  ? First & AllOf<Rest>
  : object;

/** What {@linkcode runThrough} needs of a run. */
export interface WrappedRun extends RunWithArgs {
  values: object;
}

/**
 * Runs `perform` inside its middleware, the first one outermost.
 *
 * @throws What `perform` or a middleware threw; and an error that says so, if a
 * middleware called `next` twice, or did not wait for it.
 */
export async function runThrough(
  run: WrappedRun,
  { middleware, perform }: {
    readonly middleware: readonly Middleware[];
    readonly perform: () => unknown;
  },
): Promise<unknown> {
  async function step(index: number): Promise<unknown> {
    const one = middleware[index];
    if (one === undefined) return await perform();
    const place = new Place(run, () => step(index + 1));
    const value = await one(run, (...values) => place.next(values[0]));
    place.end();
    return value;
  }
  return await step(0);
}

/** One middleware of one run: whether it kept to the rules of `next`. */
class Place {
  readonly #run: WrappedRun;
  readonly #goOn: () => Promise<unknown>;
  #state: "before" | "under way" | "after" = "before";
  #misuse: Error | null = null;
  #ended = false;

  constructor(run: WrappedRun, goOn: () => Promise<unknown>) {
    this.#run = run;
    this.#goOn = goOn;
  }

  next(values: object | undefined): Promise<unknown> {
    const { signal } = this.#run;
    if (this.#ended || this.#state !== "before") {
      const misuse = misuseOf(
        this.#ended
          ? "a middleware called next() after it had ended"
          : "a middleware called next() twice; to try again, let the attempt " +
            "fail",
      );
      this.#misuse ??= misuse;
      return handled(Promise.reject(misuse));
    }
    this.#state = "under way";
    if (values !== undefined) {
      this.#run.values = { ...this.#run.values, ...values };
    }
    // Nobody waits for this run any more: it does not begin now.
    const rest = signal.aborted ? Promise.reject(signal.reason) : this.#goOn();
    return handled(rest.finally(() => this.#state = "after"));
  }

  /** @throws {Error} If it broke a rule, whether or not it cared itself. */
  end(): void {
    this.#ended = true;
    if (this.#misuse !== null) throw this.#misuse;
    if (this.#state !== "under way") return;
    throw misuseOf(
      "a middleware ended before what it wraps; write `return await next()`",
    );
  }
}

/** Whoever does not wait for it must not bring the process down. */
function handled(promise: Promise<unknown>): Promise<unknown> {
  promise.catch(() => {});
  return promise;
}

function misuseOf(what: string): Error {
  const error = new Error(`Cannot run the job: ${what}`);
  error.name = "MiddlewareError";
  return error;
}
