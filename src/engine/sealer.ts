import { type EncryptionKeys, KeyRing } from "../domain/key_ring.ts";
import type { WorkerSecrets } from "../domain/redaction.ts";
import {
  argsBinding,
  sealedArgs,
  sealedPartOf,
  toSeal,
  unsealedArgs,
} from "../domain/sealed_args.ts";
import {
  outputBinding,
  type OutputOwner,
  sealedOutput,
  sealedOutputPart,
} from "../domain/sealed_output.ts";
import type { JsonObject } from "../domain/secret_paths.ts";
import { DecryptionError } from "../errors.ts";

/** Random bytes of the runtime. */
export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}

/**
 * Encrypts args and outputs before they are stored, and decrypts them for a run,
 * and for who reads.
 */
export class Sealer {
  readonly #ring: KeyRing | null;

  /** @param keys Left out, it can neither encrypt nor decrypt. */
  constructor(keys?: EncryptionKeys | KeyRing | null) {
    this.#ring = keys == null || keys instanceof KeyRing
      ? keys ?? null
      : new KeyRing(keys, randomBytes);
  }

  /** Whether there is a key to encrypt with. */
  get hasKeys(): boolean {
    return this.#ring !== null;
  }

  /** The id of the key of such args, if it is not known here. */
  unknownKeyOf(stored: JsonObject): string | null {
    const part = sealedPartOf(stored);
    return part === null || this.#ring?.knows(part.key) ? null : part.key;
  }

  /**
   * Args as they are stored for a worker that encrypts.
   *
   * @throws {Error} If there are no keys.
   */
  async seal(
    args: JsonObject,
    { worker, secrets }: {
      readonly worker: string;
      readonly secrets: WorkerSecrets;
    },
  ): Promise<JsonObject> {
    const part = toSeal(args, secrets);
    if (part === null) return args;
    if (this.#ring === null) throw new Error("there is no key to encrypt with");
    const binding = argsBinding(worker, part.fields);
    return sealedArgs(part, await this.#ring.encrypt(part.plaintext, binding));
  }

  /**
   * Args as they were before they were encrypted.
   *
   * @throws {DecryptionError} If they can not be.
   */
  async open(stored: JsonObject, worker: string): Promise<JsonObject> {
    const part = sealedPartOf(stored);
    if (part === null) throw new DecryptionError("", "changed");
    const { key, fields } = part;
    if (this.#ring === null) throw new DecryptionError(key, "unknown_key");
    const text = await this.#ring.decrypt(part, argsBinding(worker, fields));
    try {
      return unsealedArgs(stored, text);
    } catch {
      // What stands beside it has changed, and has no place for it any more.
      throw new DecryptionError(key, "changed");
    }
  }

  /**
   * The JSON of an output as it is stored.
   *
   * @throws {Error} If there are no keys.
   */
  async sealOutput(text: string, owner: OutputOwner): Promise<string> {
    if (this.#ring === null) throw new Error("there is no key to encrypt with");
    const box = await this.#ring.encrypt(text, outputBinding(owner));
    return JSON.stringify(sealedOutput(box));
  }

  /**
   * An output as it was before it was encrypted.
   *
   * @throws {DecryptionError} If it can not be.
   */
  async openOutput(stored: unknown, owner: OutputOwner): Promise<unknown> {
    const part = sealedOutputPart(stored);
    if (part === null) throw new DecryptionError("", "changed");
    const { key } = part;
    if (this.#ring === null) throw new DecryptionError(key, "unknown_key");
    const text = await this.#ring.decrypt(part, outputBinding(owner));
    try {
      return JSON.parse(text);
    } catch {
      // Not ours, from somebody who has the key.
      throw new DecryptionError(key, "changed");
    }
  }
}
