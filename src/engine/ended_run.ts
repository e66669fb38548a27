import type { Acknowledgement, RunResult } from "../store/outcomes.ts";
import type { StorableOutput } from "../store/outputs.ts";

/** An output as the run returned it, which is not to be stored like this. */
export type UnsealedOutput = StorableOutput;

/** What became of a run, and who wants to know when it is written. */
export interface EndedRun extends RunResult {
  /**
   * What is to be encrypted first, and becomes its `output` then. No statement
   * reads it.
   */
  readonly unsealed?: UnsealedOutput;
  /**
   * Called once it was written, or was not and never will be. Never throws, or
   * what was written would be written again.
   */
  readonly onAnswer?: (answer: Acknowledgement) => void;
}
