import type { Acknowledgement, RunResult } from "../store/outcomes.ts";

/** What became of a run, and who wants to know when it is written. */
export interface EndedRun extends RunResult {
  /**
   * Called once it was written, or was not and never will be. Never throws, or
   * what was written would be written again.
   */
  readonly onAnswer?: (answer: Acknowledgement) => void;
}
