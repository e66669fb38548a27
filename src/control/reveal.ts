import { isSealed } from "../domain/sealed_args.ts";
import type { JsonObject } from "../domain/secret_paths.ts";
import { DecryptionError } from "../errors.ts";
import type { Actor, ResourceRef, Reveal } from "../seams.ts";
import { type Control, reportFailure } from "./control.ts";

/** Whose args somebody wants to see. */
export interface RevealedArgs {
  readonly actor: Actor;
  readonly resource: ResourceRef;
  readonly worker: string;
  /** As they are stored. */
  readonly args: unknown;
}

/** Decrypts args for a page; `null` when the actor is not to see them. */
export type RevealArgs = (asked: RevealedArgs) => Promise<JsonObject | null>;

/** Asks the host, and decrypts only when its answer is exactly `true`. */
export function revealer(
  control: Control,
  { reveal, open }: {
    readonly reveal: Reveal;
    readonly open: (args: JsonObject, worker: string) => Promise<JsonObject>;
  },
): RevealArgs {
  return async ({ actor, resource, worker, args }) => {
    if (!isSealed(args)) return null;
    const seam = "encryption.reveal";
    try {
      const answer: unknown = await reveal(actor, resource);
      if (typeof answer !== "boolean") {
        reportFailure(control, { seam });
      }
      if (answer !== true) return null;
    } catch (error) {
      reportFailure(control, { seam, error });
      return null;
    }
    try {
      return await open(args, worker);
    } catch (error) {
      // The page says that they are encrypted, and with which key.
      if (error instanceof DecryptionError) return null;
      throw error;
    }
  };
}
