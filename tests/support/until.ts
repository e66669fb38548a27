/** Longer than anything takes on a machine that does other things as well. */
const LIMIT_MS = 60_000;
const LOOK_MS = 10;

/**
 * Waits until `fact` holds, and fails when it does not within a minute, or
 * `limitMs`: for what happens in another process, where there is no signal to
 * wait for.
 */
export async function until(
  what: string,
  fact: () => boolean | Promise<boolean>,
  { limitMs = LIMIT_MS, lookMs = LOOK_MS } = {},
): Promise<void> {
  const giveUpAt = performance.now() + limitMs;
  while (!await fact()) {
    if (performance.now() > giveUpAt) {
      throw new Error(`Waited ${limitMs / 1000} seconds in vain until ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
}
