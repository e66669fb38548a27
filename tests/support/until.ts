/**
 * Waits until `fact` holds, and fails when it does not within ten seconds: for
 * what happens in another process, where there is no signal to wait for.
 */
export async function until(
  what: string,
  fact: () => boolean | Promise<boolean>,
): Promise<void> {
  const giveUpAt = performance.now() + 10_000;
  while (!await fact()) {
    if (performance.now() > giveUpAt) {
      throw new Error(`Waited ten seconds in vain until ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
