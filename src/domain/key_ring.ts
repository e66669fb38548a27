/** The keys that encrypt what is stored. Nothing prints what is in here. */
import { DecryptionError } from "../errors.ts";
import { type Box, isKeyId } from "./sealed_args.ts";

/** Keys by their ids, and which of them encrypts. */
export interface EncryptionKeys {
  /** The id of the key that encrypts from now on. */
  readonly current: string;
  /**
   * 32 random bytes each, as base64 or as bytes. An id is 1 to 64 letters,
   * digits, ".", "_" and "-", such as `2026-11`.
   */
  readonly keys: Readonly<Record<string, string | Uint8Array>>;
}

/** One thing that is wrong with keys. It holds nothing of a key. */
export interface KeyProblem {
  /** Such as `current`, or `keys.2026-11`. */
  readonly path: string;
  readonly message: string;
}

const KEY_BYTES = 32;
const KEYS_MAX = 100;
const IV_BYTES = 12;

/** Everything that is wrong with keys that somebody hands in. */
export function keyProblems(value: unknown): readonly KeyProblem[] {
  const { current, keys } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof keys !== "object" || keys === null || Array.isArray(keys)) {
    return [{
      path: "keys",
      message: "must be an object of keys by their ids",
    }];
  }
  const problems: KeyProblem[] = [];
  const entries = Object.entries(keys as Readonly<Record<string, unknown>>);
  if (entries.length > KEYS_MAX) {
    problems.push({ path: "keys", message: `has at most ${KEYS_MAX} keys` });
  }
  for (const [id, key] of entries) {
    if (!isKeyId(id)) {
      const must = `has an id that is not 1 to 64 letters, digits, ".", "_" ` +
        `and "-", beginning with a letter or digit`;
      problems.push({ path: "keys", message: must });
    } else if (bytesOf(key) === null) {
      const message = `must be ${KEY_BYTES} bytes, as base64 or as Uint8Array`;
      problems.push({ path: `keys.${id}`, message });
    }
  }
  if (typeof current !== "string" || !Object.hasOwn(keys, current)) {
    problems.push({
      path: "current",
      message: "must be the id of one of keys",
    });
  }
  return problems;
}

function bytesOf(key: unknown): Uint8Array<ArrayBuffer> | null {
  const bytes = key instanceof Uint8Array
    ? new Uint8Array(key)
    : typeof key === "string"
    ? fromBase64(key.trim())
    : null;
  return bytes?.length === KEY_BYTES ? bytes : null;
}

/** Encrypts with one key, and decrypts with all. */
export class KeyRing {
  readonly current: string;
  readonly #randomBytes: (length: number) => Uint8Array<ArrayBuffer>;
  readonly #bytes = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #keys = new Map<string, Promise<CryptoKey>>();

  /** @param keys Of which {@linkcode keyProblems} said nothing. */
  constructor(
    { current, keys }: EncryptionKeys,
    randomBytes: (length: number) => Uint8Array<ArrayBuffer>,
  ) {
    this.current = current;
    this.#randomBytes = randomBytes;
    for (const [id, key] of Object.entries(keys)) {
      const bytes = bytesOf(key);
      if (bytes !== null) this.#bytes.set(id, bytes);
    }
  }

  knows(key: string): boolean {
    return this.#bytes.has(key);
  }

  /** @param binding What it belongs to: it can be decrypted for that only. */
  async encrypt(text: string, binding: string): Promise<Box> {
    const iv = this.#randomBytes(IV_BYTES);
    const encrypted = await crypto.subtle.encrypt(
      algorithm(iv, { key: this.current, binding }),
      await this.#key(this.current),
      new TextEncoder().encode(text),
    );
    return {
      key: this.current,
      iv: toBase64(iv),
      data: toBase64(new Uint8Array(encrypted)),
    };
  }

  /** @throws {DecryptionError} If the key is unknown, or the text not its own. */
  async decrypt({ key, iv, data }: Box, binding: string): Promise<string> {
    if (!this.knows(key)) throw new DecryptionError(key, "unknown_key");
    const ivBytes = fromBase64(iv);
    const dataBytes = fromBase64(data);
    if (ivBytes?.length !== IV_BYTES || dataBytes === null) {
      throw new DecryptionError(key, "changed");
    }
    try {
      const text = await crypto.subtle.decrypt(
        algorithm(ivBytes, { key, binding }),
        await this.#key(key),
        dataBytes,
      );
      return new TextDecoder().decode(text);
    } catch {
      throw new DecryptionError(key, "changed");
    }
  }

  /** Imported once, and never to be exported. */
  #key(id: string): Promise<CryptoKey> {
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    const bytes = this.#bytes.get(id);
    if (bytes === undefined) throw new DecryptionError(id, "unknown_key");
    const key = crypto.subtle.importKey("raw", bytes, "AES-GCM", false, [
      "encrypt",
      "decrypt",
    ]);
    this.#keys.set(id, key);
    return key;
  }
}

function algorithm(
  iv: Uint8Array<ArrayBuffer>,
  { key, binding }: { readonly key: string; readonly binding: string },
): AesGcmParams {
  const additionalData = new TextEncoder().encode(`${key} ${binding}`);
  return { name: "AES-GCM", iv, additionalData, tagLength: 128 };
}

const CHUNK = 8_192;

function toBase64(bytes: Uint8Array): string {
  let text = "";
  // All at once would be more arguments than a call may have.
  for (let from = 0; from < bytes.length; from += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(from, from + CHUNK));
  }
  return btoa(text);
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    // By place: an iterator over the characters takes ten times as long.
    for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
    return bytes;
  } catch {
    return null;
  }
}
