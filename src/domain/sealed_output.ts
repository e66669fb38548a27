/** Outputs that are encrypted where they are stored: all of one, or nothing. */
import type { JobId } from "./job.ts";
import {
  type Box,
  SEALED_KEY,
  type SealedPart,
  sealedPartOf,
} from "./sealed_args.ts";
import type { JsonObject } from "./secret_paths.ts";

/** Whose output it is. */
export interface OutputOwner {
  readonly jobId: JobId;
  /** The attempt that returned it. */
  readonly attempt: number;
}

/**
 * Whether a stored output is encrypted, or says so: an object of this one key,
 * whatever stands there. One that was not encrypted can not look like that.
 */
export function isSealedOutput(output: unknown): output is JsonObject {
  return typeof output === "object" && output !== null &&
    !Array.isArray(output) && Object.hasOwn(output, SEALED_KEY) &&
    Object.keys(output).length === 1;
}

/** What is under that key; `null` where it can not be read. */
export function sealedOutputPart(output: unknown): SealedPart | null {
  const part = isSealedOutput(output) ? sealedPartOf(output) : null;
  return part?.fields === undefined ? part : null;
}

/** What stands under that key. */
export function outputPart({ key, iv, data }: Box): SealedPart {
  return { v: 1, key, iv, data };
}

/** An encrypted output as it is stored. */
export function sealedOutput(box: Box): JsonObject {
  return { [SEALED_KEY]: outputPart(box) };
}

/**
 * What the ciphertext of an output is bound to: the one attempt of the one job.
 * Not to its worker, which nobody can look up once the job is gone.
 */
export function outputBinding({ jobId, attempt }: OutputOwner): string {
  return JSON.stringify(["yardmaster", 1, "output", jobId, attempt]);
}

/** Whether this is the JSON of a value that {@linkcode isSealedOutput} is of. */
export function looksSealed(text: string): boolean {
  // Most outputs are told apart by their first characters.
  return text.startsWith(`{"${SEALED_KEY}":`) &&
    isSealedOutput(JSON.parse(text));
}
