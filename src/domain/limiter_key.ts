/** A key of a limiter is a value of args, and is shown as one. */

/** Such a value, with where in the args it stands. */
export interface ShownKey {
  readonly value: Readonly<Record<string, unknown>>;
  readonly path: readonly string[];
}

/**
 * The key as part of args, as display policies know it: `{ customer: "7" }`. So
 * a policy that hides by name hides a key as well.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { keyAsArgs } from "./limiter_key.ts";
 *
 * assert.deepEqual(keyAsArgs(["customer", "id"], "7").value, {
 *   customer: { id: "7" },
 * });
 * ```
 */
export function keyAsArgs(
  partitionBy: readonly string[],
  key: string,
): ShownKey {
  const [first = "key", ...rest] = partitionBy;
  const inner = rest.reduceRight<unknown>(
    (value, name) => ({ [name]: value }),
    key,
  );
  return { value: { [first]: inner }, path: [first, ...rest] };
}
