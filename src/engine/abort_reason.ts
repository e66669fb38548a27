/** Why nobody waits for a run any more. */
export type AbortKind =
  /** The attempt took longer than its worker allows. */
  | "timeout"
  /** Somebody cancelled or discarded the job. */
  | "cancelled"
  /** The job was given to another executor, or may be at any moment. */
  | "lease_lost"
  /** This process stops; the job goes back and no attempt is burnt. */
  | "shutdown"
  /** The job's deadline has passed. */
  | "deadline";

/**
 * The reason of a run's signal. It is an error, so that `fetch` and others that
 * reject with the reason of a signal reject with an error.
 */
export class AbortReason extends Error {
  /** Tells it from other errors, also across two copies of this package. */
  override readonly name = "AbortReason";
  /** Why, as one of five words. */
  readonly kind: AbortKind;

  /** For tests of code that takes a signal: the engine makes its own. */
  constructor(kind: AbortKind) {
    super(ABORT_SENTENCES[kind]);
    this.kind = kind;
  }
}

/** What an {@linkcode AbortReason} says, by its kind. */
export const ABORT_SENTENCES = {
  timeout: "The attempt took longer than its timeout",
  cancelled: "The job was cancelled",
  lease_lost: "This run no longer holds its job",
  shutdown: "The engine is stopping",
  deadline: "The deadline of the job has passed",
} as const satisfies Record<AbortKind, string>;
