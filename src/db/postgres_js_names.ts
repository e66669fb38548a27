/**
 * Which statements postgres.js names in its connections. A named one is read and
 * planned once for each connection, and not each time it runs.
 *
 * The driver names nothing where the host told it `prepare: false`, so behind a
 * proxy that pools transactions nothing more is to be said. Where nobody said it
 * and a name turns out not to be known, no statement is named any more.
 */
export class StatementNames {
  #which: "all" | "hot" | "none";

  constructor(prepare: boolean | undefined) {
    this.#which = prepare === undefined ? "hot" : prepare ? "all" : "none";
  }

  /** Whether the driver may name this statement. */
  for(hot: boolean): boolean {
    return this.#which === "all" || (this.#which === "hot" && hot);
  }

  /** The server, or a proxy before it, does not keep names. */
  giveUp(): void {
    this.#which = "none";
  }
}

/**
 * Whether the name of a statement was the trouble: it is not known, or it is in
 * use. The server says so before it runs anything, and the driver's own second
 * try hides what was wrong with the statement itself behind this.
 */
export function isAboutNames(error: unknown): boolean {
  return error instanceof Error && "code" in error &&
    (error.code === "26000" || error.code === "42P05");
}

/**
 * The same, or its table changed under it and the second try failed of something
 * else. Its name is made anew then, and the next ones are as good as before.
 */
export function isAboutStatement(error: unknown): boolean {
  return isAboutNames(error) ||
    (error instanceof Error && "routine" in error &&
      error.routine === "RevalidateCachedQuery");
}
