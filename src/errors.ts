/**
 * Errors that a host may want to catch. Each has a stable `code`; everything
 * else keeps the driver's own error.
 */

/** A statement that was cancelled before it was sent. */
export class QueryCancelledError extends Error {
  /** Holds across two copies of this package, where `instanceof` does not. */
  override readonly name = "QueryCancelledError";
  /** The same SQLSTATE as when Postgres cancels it. */
  readonly code = "57014";

  /** Made where the signal is heard; `cause` is its reason. */
  constructor(cause: unknown) {
    super("Cannot run the statement: its signal is aborted", { cause });
  }
}

/** A handle that was used after its transaction. */
export class TransactionEndedError extends Error {
  /** Holds across two copies of this package, where `instanceof` does not. */
  override readonly name = "TransactionEndedError";
  /** The same SQLSTATE as when Postgres finds no transaction. */
  readonly code = "25P01";

  constructor() {
    super(
      "Cannot use this handle: its transaction has ended; await everything " +
        "inside of it, and use the outer handle after it",
    );
  }
}

/** A transaction that Postgres rolled back where it was asked to commit. */
export class TransactionAbortedError extends Error {
  /** Holds across two copies of this package, where `instanceof` does not. */
  override readonly name = "TransactionAbortedError";
  /** The SQLSTATE of a statement after a failed one. */
  readonly code = "25P02";

  constructor() {
    super(
      "Cannot commit: a statement failed and its error was caught; put what " +
        "may fail into a transaction of its own",
    );
  }
}

/** A schema that this code can not run on. */
export class SchemaVersionError extends Error {
  /** Holds across two copies of this package, where `instanceof` does not. */
  override readonly name = "SchemaVersionError";
  /** The same for all of its kind. */
  readonly code = "schema_version";
  /** The version of the database; 0 if there is none. */
  readonly version: number;
  /** The version that this code was written for. */
  readonly target: number;

  /** Made with a message that says what does not fit, and what to do. */
  constructor(
    message: string,
    facts: { readonly version: number; readonly target: number },
  ) {
    super(message);
    this.version = facts.version;
    this.target = facts.target;
  }
}

/**
 * A migration that found no moment for itself: somebody holds tables for long.
 * What was done before it stays done, and it can be tried again at any time.
 */
export class TablesHeldError extends Error {
  /** Holds across two copies of this package, where `instanceof` does not. */
  override readonly name = "TablesHeldError";
  /** The SQLSTATE of a lock that is not free. */
  readonly code = "55P03";
  /** By process id of Postgres, with what is known of each; five at most. */
  readonly holders: readonly string[];

  /** Made with the name of the schema and who holds its tables. */
  constructor(schema: string, holders: readonly string[]) {
    const who = holders.length === 0
      ? "somebody who has gone by now"
      : holders.join("; ");
    super(
      `Cannot migrate: tables of the schema "${schema}" are in use by ${who}; ` +
        `wait for that, or end it with pg_terminate_backend(), and migrate again`,
    );
    this.holders = holders;
  }
}

/** Connections that are set up so that our statements do not work on them. */
export class DatabaseSettingsError extends Error {
  /** Holds across two copies of this package, where `instanceof` does not. */
  override readonly name = "DatabaseSettingsError";
  /** The same for all of its kind. */
  readonly code = "database_settings";
  /** Names as Postgres has them, such as `default_transaction_isolation`. */
  readonly settings: readonly string[];

  /** Made with each setting, what it is and what it must be. */
  constructor(
    wrong: readonly {
      readonly name: string;
      readonly is: string;
      readonly must: string;
    }[],
  ) {
    const lines = wrong.map(({ name, is, must }) =>
      `${name} is "${is}" and must be "${must}"`
    );
    super(
      `Cannot start: on its connections ${lines.join("; ")}; clear what the ` +
        `role or the database sets, or set it in the options of a pool for ` +
        `Yardmaster`,
    );
    this.settings = wrong.map(({ name }) => name);
  }
}

/**
 * Args or an output that can not be decrypted. It names the key and nothing of
 * what was encrypted.
 */
export class DecryptionError extends Error {
  /** Holds across two copies of this package, where `instanceof` does not. */
  override readonly name = "DecryptionError";
  /** The key is missing here; or the text is not what that key encrypted. */
  readonly code: "encryption_key_unknown" | "decryption_failed";
  /** The id of the key; empty where what is stored names none. */
  readonly key: string;

  /** Made with the id of the key, and never with the key. */
  constructor(key: string, why: "unknown_key" | "changed") {
    super(
      why === "unknown_key"
        ? `Cannot decrypt: this process does not know key ${key}`
        : key === ""
        ? "Cannot decrypt: it is not in the shape in which it was encrypted"
        : `Cannot decrypt: it was changed since key ${key} encrypted it, or ` +
          `the key is another one of that name`,
    );
    this.key = key;
    this.code = why === "unknown_key"
      ? "encryption_key_unknown"
      : "decryption_failed";
  }
}

/** One thing that is wrong with the options of a host. */
export interface OptionsProblem {
  /** Where, such as `queues.default.limit`. */
  readonly key: string;
  /** What is, and what must be. */
  readonly message: string;
  /** To copy and adapt. */
  readonly example: string;
  /** The moment at which it is needed. */
  readonly needed: string;
}

/** Options that can not be used. The host's code is what must change. */
export class OptionsError extends Error {
  /** Holds across two copies of this package, where `instanceof` does not. */
  override readonly name = "OptionsError";
  /** The same for all of its kind. */
  readonly code = "options";
  /** All of them, not only the first. */
  readonly problems: readonly OptionsProblem[];

  /** Made with what can not be done, and puts every problem into its message. */
  constructor(action: string, problems: readonly OptionsProblem[]) {
    const lines = problems.map(({ key, message, example, needed }) =>
      `- "${key}" ${message}. Needed ${needed}. Example:\n` +
      `    ${example.replaceAll("\n", "\n    ")}`
    );
    const count = problems.length === 1
      ? "1 option is"
      : `${problems.length} options are`;
    super(`Cannot ${action}: ${count} not right\n${lines.join("\n")}`);
    this.problems = problems;
  }
}
