/** Args of which a part is encrypted where they are stored. */
import type { WorkerSecrets } from "./redaction.ts";
import {
  type JsonObject,
  type Part,
  putBack,
  secretPathsProblem,
  takeOut,
} from "./secret_paths.ts";

/** Ours: args can not have this key when their worker encrypts. */
export const SEALED_KEY = "__encrypted__";

/** Text that a key encrypted: AES-256-GCM, both parts as base64. */
export interface Box {
  /** The id of the key. */
  readonly key: string;
  /** 96 bits, of which no two are the same. */
  readonly iv: string;
  /** With the tag of 128 bits at its end. */
  readonly data: string;
}

/** What stands under {@linkcode SEALED_KEY}. */
export interface SealedPart extends Box {
  /** Of this format. */
  readonly v: 1;
  /** The paths that were taken out; absent when it was all. */
  readonly fields?: readonly string[];
}

/** Ids of keys: they stand in rows, on pages and in errors. */
export function isKeyId(value: unknown): value is string {
  return typeof value === "string" &&
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value);
}

/** Whether a part of the args is encrypted, or says so. */
export function isSealed(args: unknown): args is JsonObject {
  return typeof args === "object" && args !== null &&
    Object.hasOwn(args, SEALED_KEY);
}

/** The encrypted part of args; `null` where there is none that can be read. */
export function sealedPartOf(args: unknown): SealedPart | null {
  if (!isSealed(args)) return null;
  const part = args[SEALED_KEY];
  if (typeof part !== "object" || part === null) return null;
  const { v, key, iv, data, fields } = part as Record<string, unknown>;
  const isOurs = v === 1 && isKeyId(key) && typeof iv === "string" &&
    typeof data === "string" &&
    (fields === undefined || secretPathsProblem(fields) === null);
  return isOurs ? part as SealedPart : null;
}

/** Args that are to be sealed: what stays readable, and what does not. */
export interface ToSeal {
  readonly clear: JsonObject;
  readonly plaintext: string;
  /** `null`: all. */
  readonly fields: readonly string[] | null;
}

/** Parts args; `null` if there is nothing to encrypt in them. */
export function toSeal(
  args: JsonObject,
  { encrypt }: Pick<WorkerSecrets, "encrypt">,
): ToSeal | null {
  if (encrypt === true) {
    return {
      clear: {},
      plaintext: JSON.stringify({ all: args }),
      fields: null,
    };
  }
  const { left, parts, paths } = takeOut(args, encrypt);
  return parts.length === 0 ? null : {
    clear: left,
    plaintext: JSON.stringify({ parts }),
    fields: paths,
  };
}

/** Args as they are stored. */
export function sealedArgs(
  { clear, fields }: Pick<ToSeal, "clear" | "fields">,
  { key, iv, data }: Box,
): JsonObject {
  const part: SealedPart = {
    v: 1,
    key,
    iv,
    data,
    ...(fields !== null && { fields }),
  };
  return { ...clear, [SEALED_KEY]: part };
}

/**
 * Args as they were before a part of them was encrypted.
 *
 * @throws {Error} If the plaintext is not what {@linkcode toSeal} made of such
 * args.
 */
export function unsealedArgs(
  stored: JsonObject,
  plaintext: string,
): JsonObject {
  const opened = JSON.parse(plaintext) as {
    readonly all?: JsonObject;
    readonly parts?: readonly Part[];
  };
  const clear = clearArgs(stored);
  if (opened.all === undefined) return putBack(clear, opened.parts ?? []);
  return opened.all;
}

/** The part of stored args that anybody may read who may read args. */
export function clearArgs(stored: JsonObject): JsonObject {
  const { [SEALED_KEY]: _, ...clear } = stored;
  return clear;
}

/**
 * What a ciphertext is bound to, so that it is nothing anywhere else: args to
 * their worker and fields. A job has no id when its args are encrypted.
 */
export function argsBinding(
  worker: string,
  fields: readonly string[] | null | undefined,
): string {
  return JSON.stringify(["yardmaster", 1, "args", worker, fields ?? null]);
}

/** How an event of a job tells that an executor does not know its key. */
export function unknownKeyMessage(key: string): string {
  return `Its args are encrypted with key ${key}, which this executor does ` +
    `not know`;
}

/** Reads it again: the id of the key is shown where messages are hidden. */
export function parseUnknownKey(message: string | null): string | null {
  const [, key] =
    /^Its args are encrypted with key (\S+), which this executor does not know$/
      .exec(message ?? "") ?? [];
  return isKeyId(key) ? key : null;
}
