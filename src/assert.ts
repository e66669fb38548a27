/**
 * Stops a program that has a bug. What comes from outside is parsed and refused,
 * never asserted.
 *
 * @throws {TypeError} If `fact` is false; the message is the fact that broke.
 */
export function assert(fact: boolean, message: string): asserts fact {
  if (!fact) throw new TypeError(`Broken assertion: ${message}`);
}
