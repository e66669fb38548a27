/** What a worker process is told when it starts. */

/** Where a process can be stopped, in the order in which a job comes by. */
export const MOMENTS = [
  /** The claim is about to be sent. */
  "before_claim",
  /** Its answer arrived, and nobody has seen it. */
  "after_claim",
  /** `perform` was called, and has not begun. */
  "before_perform",
  "during_perform",
  /** The run came to its end, and nobody was told. */
  "after_perform",
  /** The acknowledgement is about to be sent. */
  "before_ack",
  /** It is on its way to the server, or back. */
  "during_ack",
  /** Its answer arrived, and nobody has seen it. */
  "after_ack",
] as const;
export type Moment = typeof MOMENTS[number];

/** What happens to a process at a moment. */
export interface Stop {
  readonly moment: Moment;
  /** The first time is 1. */
  readonly time: number;
  /**
   * `kill`: SIGKILL. `freeze`: SIGSTOP. `lose`: the statement was carried out,
   * and its answer is an error; only for `after_claim` and `after_ack`.
   */
  readonly how: "kill" | "freeze" | "lose";
  /** For `during_ack`: so long after the statement was handed over; 0. */
  readonly laterMs?: number;
}

export interface WorkerSettings {
  /** Of the executor, and of its lines in the ledger. */
  readonly name: string;
  /** Where its database is; the server itself by default. */
  readonly url?: string;
  /** Jobs at a time; 4. */
  readonly limit?: number;
  /** postgres.js. */
  readonly driver?: "postgres.js" | "node-postgres";
  /** So long a statement is waited for; as the engine says. */
  readonly statementMs?: number;
  /** postgres.js closes a connection on which it hears nothing for so long. */
  readonly silenceMs?: number;
  /** On SIGUSR1, the host keeps all connections busy for so long. */
  readonly holdMs?: number;
  /** Hints; on. */
  readonly notify?: boolean;
  /** Connections; 4. */
  readonly connections?: number;
  /** 50. */
  readonly pollMs?: number;
  /** 100; late after four, and missing after ten of them. */
  readonly heartbeatMs?: number;
  /** What SIGTERM lets runs have; 2 s. */
  readonly graceMs?: number;
  readonly stop?: Stop;
  /** Runs jobs with limiters too. */
  readonly limited?: boolean;
  /** Runs jobs that share calls too. */
  readonly chunks?: boolean;
  /** Shows the pages too, and says `pages <address>`. */
  readonly pages?: boolean;
  /** Checks the schema first, as the release that is so many after this one. */
  readonly release?: number;
  /** Added to the wall clock of the process. */
  readonly clockOffMs?: number;
}

/** As they arrive in the process. */
export interface FullWorkerSettings extends WorkerSettings {
  readonly url: string;
  readonly ledgerFolder: string;
}
