/**
 * Stops a program that has a bug. What comes from outside is parsed and refused,
 * never asserted.
 *
 * @throws {TypeError} If `fact` is false; the message is the fact that broke.
 */
export function assert(fact: boolean, message: string): asserts fact {
  if (!fact) throw new TypeError(`Broken assertion: ${message}`);
}

/** Marks a place that no value of a closed union can reach. */
export function unreachable(value: never): never {
  throw new TypeError(`Broken assertion: unexpected ${String(value)}`);
}
