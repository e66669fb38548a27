/**
 * Text that travels in an address without being read there: keys of limiters are
 * values of args, and addresses end up in histories and logs.
 */

declare const sealed: unique symbol;
/** Text that says nothing to whoever has no key. */
export type Sealed = string & { readonly [sealed]: true };

/** Seals text with the key of the installation, and opens what it sealed. */
export interface Sealer {
  /**
   * The same text gives the same seal, so an address can be shared and compared.
   *
   * @param place What the seal is good for; it opens nowhere else.
   */
  seal(text: string, place: string): Promise<Sealed>;
  /** `null` if we did not seal it, or for another place. */
  unseal(sealed: string, place: string): Promise<string | null>;
}

const NONCE_BYTES = 12;
/** Longer than any seal of ours. */
const SEALED_LENGTH_MAX = 4_000;
const encoder = new TextEncoder();

/**
 * A sealer with AES-256-GCM. The nonce is made of the text and its place, by
 * HMAC: it repeats only where everything does.
 *
 * @param key Any text of enough randomness.
 */
export async function createSealer(key: string): Promise<Sealer> {
  const [cipher, nonces] = await Promise.all([
    digest(`seal ${key}`).then((bytes) =>
      crypto.subtle.importKey("raw", bytes, "AES-GCM", false, [
        "encrypt",
        "decrypt",
      ])
    ),
    digest(`nonce ${key}`).then((bytes) =>
      crypto.subtle.importKey(
        "raw",
        bytes,
        { name: "HMAC", hash: "SHA-256" },
        false,
        ["sign"],
      )
    ),
  ]);
  return {
    async seal(text, place) {
      const whole = encoder.encode(JSON.stringify([place, text]));
      const mac = await crypto.subtle.sign("HMAC", nonces, whole);
      const iv = new Uint8Array(mac).slice(0, NONCE_BYTES);
      const body = await crypto.subtle.encrypt(
        { name: "AES-GCM", iv, additionalData: encoder.encode(place) },
        cipher,
        encoder.encode(text),
      );
      return toBase64Url(
        new Uint8Array([...iv, ...new Uint8Array(body)]),
      ) as Sealed;
    },
    async unseal(sealed, place) {
      const bytes = fromBase64Url(sealed);
      if (bytes === null || bytes.length <= NONCE_BYTES) return null;
      try {
        const text = await crypto.subtle.decrypt(
          {
            name: "AES-GCM",
            iv: bytes.slice(0, NONCE_BYTES),
            additionalData: encoder.encode(place),
          },
          cipher,
          bytes.slice(NONCE_BYTES),
        );
        return new TextDecoder().decode(text);
      } catch {
        return null;
      }
    },
  };
}

async function digest(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await crypto.subtle.digest("SHA-256", encoder.encode(text));
  return new Uint8Array(bytes);
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-")
    .replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[\w-]+$/.test(text) || text.length > SEALED_LENGTH_MAX) return null;
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}
