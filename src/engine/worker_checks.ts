/** What is wrong with a worker is found when its module loads. */
import { assert } from "../assert.ts";
import { isName } from "../domain/job.ts";
import {
  type Limiter,
  LIMITER_BOUNDS,
  LIMITER_KINDS,
} from "../domain/limiter.ts";
import { secretsProblem } from "../domain/redaction.ts";
import type { AnyWorker } from "./any_worker.ts";
import { checkOptions } from "./enqueue_options.ts";
import { areMiddleware, MIDDLEWARE_MAX } from "./middleware.ts";
import { isTimeoutMs } from "./timeout.ts";
import { checkVersions } from "./upgrade.ts";

/**
 * Checks a worker with its defaults filled in.
 *
 * @throws {TypeError} With the first thing that is wrong.
 */
export function checkWorker(worker: AnyWorker): void {
  const { name, perform, timeoutMs, middleware, limiters } = worker;
  assert(isName(name), "a worker's name has 1 to 128 characters");
  assert(typeof perform === "function", `perform of ${name} is a function`);
  assert(
    timeoutMs === null || typeof timeoutMs === "function" ||
      isTimeoutMs(timeoutMs),
    `timeoutMs of ${name} is whole milliseconds from 1, or a function`,
  );
  assert(
    middleware === null || areMiddleware(middleware),
    `middleware of ${name} is a list of at most ${MIDDLEWARE_MAX} functions`,
  );
  checkLimiters(name, limiters);
  checkSecrets(worker);
  checkVersions(worker);
  checkDefaults(worker);
}

/** What may be said by each call as well. */
function checkDefaults(
  { name, queue, priority, maxAttempts, tags, unique, idempotent, deadlineMs }:
    AnyWorker,
): void {
  const [issue] = checkOptions({
    queue,
    priority,
    maxAttempts,
    tags,
    ...(unique !== undefined && { unique }),
    ...(idempotent !== undefined && { idempotent }),
    ...(deadlineMs !== null && { deadlineMs }),
  });
  assert(issue === undefined, `${issue?.path} of ${name} ${issue?.message}`);
}

function checkSecrets({ name, secrets, limiters }: AnyWorker): void {
  if (secrets === null) return;
  const found = secretsProblem(secrets, limiters);
  assert(found === null, `${found?.option} of ${name} ${found?.problem}`);
}

function checkLimiters(worker: string, limiters: readonly Limiter[]): void {
  const { perWorkerMax } = LIMITER_BOUNDS;
  assert(
    Array.isArray(limiters) && limiters.length <= perWorkerMax &&
      limiters.every((limiter) => LIMITER_KINDS.includes(limiter?.kind)),
    `limiters of ${worker} is a list of at most ${perWorkerMax} that ` +
      `defineLimiter() returned`,
  );
  const names = new Set(limiters.map(({ name }) => name));
  assert(names.size === limiters.length, `${worker} names a limiter once`);
}
