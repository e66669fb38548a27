/** Outputs are encrypted on their way into the statement that writes them. */
import type { OnEvent } from "../events.ts";
import type { EndedRun } from "./ended_run.ts";
import { Sealer } from "./sealer.ts";

interface Sealing {
  readonly sealer?: Sealer;
  readonly onEvent: OnEvent;
}

/**
 * The same results, with outputs that can be stored. What can not be encrypted
 * is dropped: it is stored encrypted or not at all. Never throws.
 */
export async function withSealedOutputs(
  results: readonly EndedRun[],
  sealing: Sealing,
): Promise<readonly EndedRun[]> {
  return await Promise.all(
    results.map((result) =>
      result.unsealed === undefined ? result : sealed(result, sealing)
    ),
  );
}

/** Whether there is anything to encrypt. */
export function hasUnsealed(results: readonly EndedRun[]): boolean {
  return results.some(({ unsealed }) => unsealed !== undefined);
}

async function sealed(
  { unsealed, ...result }: EndedRun,
  { sealer = new Sealer(), onEvent }: Sealing,
): Promise<EndedRun> {
  if (unsealed === undefined) return result;
  try {
    const text = await sealer.sealOutput(unsealed.text, result);
    return { ...result, output: { ...unsealed, text } };
  } catch {
    // The error may hold something of the output.
    const { worker, bytes, limitBytes } = unsealed;
    const why = "not_encrypted";
    onEvent({ type: "output_dropped", worker, why, bytes, limitBytes });
    return result;
  }
}
