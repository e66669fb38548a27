/** What tells values apart that may be secret. */
import { receiptRule } from "../domain/receipt.ts";
import { overlap } from "../domain/secret_paths.ts";
import { canonicalJson, uniqueRule } from "../domain/unique_key.ts";
import type { AnyWorker } from "./any_worker.ts";
import type { EnqueueOptions } from "./enqueue_options.ts";

/** Of a host's key, in bytes of UTF-8. */
export const FINGERPRINT_KEY_BYTES_MIN = 16;

const encoder = new TextEncoder();
/** Of each byte: to make them anew costs as much as a digest does. */
const HEX: readonly string[] = Array.from(
  { length: 256 },
  (_, byte) => byte.toString(16).padStart(2, "0"),
);

/**
 * Digests of values, as 64 hex digits: the same for equal values, whatever the
 * order of their keys.
 *
 * With a key they are HMAC-SHA-256. Args are often few in number, such as ids,
 * and a plain digest of one can be found by trying them all: with the key it can
 * not, by whoever has only the rows.
 */
export class Fingerprints {
  /** A copy: the host may wipe its own. */
  readonly #secret: Uint8Array<ArrayBuffer> | null;
  #key: Promise<CryptoKey> | null = null;

  /** @param secret At least {@linkcode FINGERPRINT_KEY_BYTES_MIN} bytes. */
  constructor(secret?: string | Uint8Array) {
    this.#secret = secret === undefined
      ? null
      : new Uint8Array(typeof secret === "string" ? toBytes(secret) : secret);
  }

  /** Whether a key stands between the rows and who guesses. */
  get isKeyed(): boolean {
    return this.#secret !== null;
  }

  /** Of a value that JSON can hold. */
  async of(value: unknown): Promise<string> {
    const bytes = toBytes(canonicalJson(value));
    const digest = this.#secret === null
      ? await crypto.subtle.digest("SHA-256", bytes)
      : await crypto.subtle.sign("HMAC", await this.#hmac(this.#secret), bytes);
    let hex = "";
    for (const byte of new Uint8Array(digest)) hex += HEX[byte];
    return hex;
  }

  #hmac(secret: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
    this.#key ??= crypto.subtle.importKey(
      "raw",
      secret,
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
    return this.#key;
  }
}

/**
 * Whether rows would hold digests of args that a worker wants hidden, by what the
 * worker and the call say: then the host must give a key.
 */
export function needsFingerprintKey(
  { secrets, idempotent, unique }: Pick<
    AnyWorker,
    "secrets" | "idempotent" | "unique"
  >,
  call: Omit<EnqueueOptions, "database"> = {},
): boolean {
  if (secrets === null) return false;
  if (receiptRule(idempotent, call) !== null) return true;
  const rule = uniqueRule(unique, call.unique);
  if (rule === null || !rule.fields.includes("args")) return false;
  const { keys } = rule;
  const { redact, encrypt } = secrets;
  return keys.length === 0 || encrypt === true ||
    [...redact, ...encrypt].some((path) =>
      keys.some((key) => overlap(path, key))
    );
}

/** Whether a host may use it: text or bytes, and enough of them. */
export function isFingerprintKey(value: unknown): value is string | Uint8Array {
  const bytes = typeof value === "string" ? toBytes(value) : value;
  return bytes instanceof Uint8Array &&
    bytes.length >= FINGERPRINT_KEY_BYTES_MIN;
}

function toBytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}
