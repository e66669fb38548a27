import { isSealed } from "../domain/sealed_args.ts";
import { isSealedOutput, type OutputOwner } from "../domain/sealed_output.ts";
import type { JsonObject } from "../domain/secret_paths.ts";
import { DecryptionError } from "../errors.ts";
import type { Actor, ResourceRef, Reveal } from "../seams.ts";
import { type Control, reportFailure } from "./control.ts";

/** What somebody wants to see, as it is stored. */
export interface AskedToReveal {
  readonly actor: Actor;
  readonly resource: ResourceRef;
  readonly worker: string;
  readonly args: unknown;
  /** Of a job that left one which can be read. */
  readonly output?: StoredOutput | null;
}

/** An output, and which attempt of which job left it. */
export interface StoredOutput extends OutputOwner {
  readonly output: unknown;
}

/** What was decrypted; `null` for what is not encrypted, or not to be seen. */
export interface Revealed {
  readonly args: JsonObject | null;
  readonly output: { readonly value: unknown } | null;
}

/** Decrypts for a page what the host lets an actor see. */
export type RevealSealed = (asked: AskedToReveal) => Promise<Revealed>;

/** Decrypts with the host's keys. */
export interface Opener {
  open(args: JsonObject, worker: string): Promise<JsonObject>;
  openOutput(stored: unknown, owner: OutputOwner): Promise<unknown>;
}

/** Nothing. */
export const UNREVEALED: Revealed = { args: null, output: null };

/**
 * Asks the host once for all that is encrypted of a thing, and decrypts only when
 * its answer is exactly `true`.
 */
export function revealer(
  control: Control,
  { reveal, opener }: { readonly reveal: Reveal; readonly opener: Opener },
): RevealSealed {
  return async ({ actor, resource, worker, args, output: left = null }) => {
    const isLeftSealed = left !== null && isSealedOutput(left.output);
    if (!isSealed(args) && !isLeftSealed) return UNREVEALED;
    if (!await isAllowed(control, { reveal, actor, resource })) {
      return UNREVEALED;
    }
    return {
      args: isSealed(args)
        ? await orNull(() => opener.open(args, worker))
        : null,
      output: isLeftSealed
        ? await orNull(async () => ({
          value: await opener.openOutput(left.output, left),
        }))
        : null,
    };
  };
}

async function isAllowed(
  control: Control,
  { reveal, actor, resource }: {
    readonly reveal: Reveal;
    readonly actor: Actor;
    readonly resource: ResourceRef;
  },
): Promise<boolean> {
  const seam = "encryption.reveal";
  try {
    const answer: unknown = await reveal(actor, resource);
    if (typeof answer !== "boolean") reportFailure(control, { seam });
    return answer === true;
  } catch (error) {
    reportFailure(control, { seam, error });
    return false;
  }
}

/** What can not be decrypted: the page says that it is, and with which key. */
async function orNull<T>(open: () => Promise<T>): Promise<T | null> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof DecryptionError) return null;
    throw error;
  }
}
