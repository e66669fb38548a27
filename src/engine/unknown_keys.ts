import { unknownKeyMessage } from "../domain/sealed_args.ts";
import type { Clock } from "./clock.ts";
import { GrowingWait } from "./newer_args.ts";
import type { Run } from "./run.ts";
import {
  postponed,
  type ResultContext,
  type Settlement,
} from "./run_result.ts";

/**
 * Turns jobs away whose args are encrypted with a key that this process does not
 * know: while keys are rolled out, or after one was removed too early. Another
 * executor may know it, and no attempt is burnt.
 */
export class UnknownKeys {
  readonly #wait: GrowingWait;

  constructor(clock: Clock) {
    this.#wait = new GrowingWait(clock);
  }

  /** What becomes of a run whose args can not be decrypted here. */
  settle(
    run: Run,
    { key, tookMs, random, onEvent }: ResultContext & { readonly key: string },
  ): Settlement {
    const { worker } = run;
    const delayMs = this.#wait.nextMs(key, random());
    onEvent({ type: "args_key_unknown", worker, key, delayMs });
    return postponed(run, { tookMs, delayMs, message: unknownKeyMessage(key) });
  }
}
