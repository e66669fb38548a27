/**
 * Whether the connection of a transaction still stands.
 *
 * When it breaks, postgres.js 3.4.9 goes on writing to it: a statement, or the
 * `commit` and `rollback` of its own, ends the whole process with an exception
 * that nobody can catch, or runs outside of the transaction on a connection made
 * anew (porsager/postgres issues 1133, 1154, 1155, 1208). So once it broke, no
 * statement goes out, and the driver never hears how the work ended.
 */
export class OneConnection {
  #lost: { readonly error: unknown } | null = null;
  readonly #waiting: ((error: unknown) => void)[] = [];

  /** Runs a statement, unless there is nothing to run it on. */
  async send<T>(run: () => Promise<T>): Promise<T> {
    if (this.#lost) throw this.#lost.error;
    try {
      return await run();
    } catch (error) {
      if (meansLost(error)) this.#lose(error);
      throw error;
    }
  }

  /** Runs a transaction or savepoint of the driver. */
  async scope<T>(
    run: (scoped: <R>(work: () => Promise<R>) => Promise<R>) => Promise<T>,
  ): Promise<T> {
    if (this.#lost) throw this.#lost.error;
    const lost = new Promise<never>((_, reject) => this.#waiting.push(reject));
    // It may break before anybody waits for it.
    lost.catch(() => {});
    try {
      return await Promise.race([lost, run((work) => this.#scoped(work))]);
    } catch (error) {
      if (meansLost(error)) this.#lose(error);
      throw error;
    }
  }

  /** Never ends once the connection is lost. */
  async #scoped<R>(work: () => Promise<R>): Promise<R> {
    try {
      const result = await work();
      if (!this.#lost) return result;
    } catch (error) {
      // The news of a broken connection may be one turn behind the statement
      // that failed of it.
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (!this.#lost) throw error;
    }
    return await new Promise<never>(() => {});
  }

  #lose(error: unknown): void {
    this.#lost ??= { error };
    for (const reject of this.#waiting.splice(0)) reject(error);
  }
}

function meansLost(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : null;
  // 25P03, 57P01 to 57P05: the server closes the connection after it said so.
  return typeof code === "string" &&
    /^(CONNECTION_|57P0|25P03|ECONN|EPIPE|ETIMEDOUT)/.test(code);
}
