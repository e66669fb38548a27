/**
 * A function of the host answered a promise where a value was asked for. Nobody
 * waits for it, so its rejection must not bring the process down.
 */
export function unawaited(answer: unknown): void {
  if (answer instanceof Promise) answer.catch(() => {});
}
