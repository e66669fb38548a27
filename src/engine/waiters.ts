/** Those who wait for the same moment, which may come again and again. */
export class Waiters {
  #waiting: (() => void)[] = [];

  /** Resolves at the next {@linkcode Waiters.release}. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
