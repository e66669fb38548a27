/**
 * Stands in front of every request that could change something. Two questions,
 * and both must be answered: does the browser say that our own page sent this,
 * and does the form carry a token that we signed for this actor.
 */

/** What of a request says where it comes from. */
export interface Provenance {
  readonly method: string;
  /** The address that we were asked at, as the host's server sees it. */
  readonly url: string;
  readonly secFetchSite: string | null;
  readonly origin: string | null;
  /** The `Host` header, which a proxy may keep where it changes the address. */
  readonly host: string | null;
}

/** Whether a request may go on; if not, a sentence that a person can act on. */
export type Verdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly why: string };

const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/**
 * Judges where a request comes from, for every content type.
 *
 * `Sec-Fetch-Site` decides where a browser sends it, because a page can not
 * forge it. Elsewhere `Origin` must name our own host (the scheme is not
 * compared: a proxy may have ended TLS) or one of `allowedOrigins`.
 */
export function judgeProvenance(
  request: Provenance,
  allowedOrigins: readonly string[] = [],
): Verdict {
  if (SAFE_METHODS.includes(request.method)) return { ok: true };
  if (request.secFetchSite !== null) {
    if (request.secFetchSite === "same-origin") return { ok: true };
    return refuse(
      `the browser says that it was sent from another place ` +
        `(Sec-Fetch-Site: ${request.secFetchSite})`,
    );
  }
  if (request.origin === null) {
    return refuse(
      "it carries neither a Sec-Fetch-Site nor an Origin header, so nothing " +
        "says which page sent it",
    );
  }
  if (allowedOrigins.includes(request.origin)) return { ok: true };
  const from = hostOf(request.origin);
  const ours = [hostOf(request.url), request.host];
  if (from !== null && ours.includes(from)) return { ok: true };
  return refuse(
    `its Origin is ${request.origin}, and these pages are at ` +
      `${request.host ?? hostOf(request.url)}. If a proxy stands in front, ` +
      `add that origin to "allowedOrigins"`,
  );
}

function refuse(why: string): Verdict {
  return { ok: false, why };
}

function hostOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).host : null;
}

/** How long a form that stays open can be sent: one to two of these. */
export const FORM_TOKEN_SPAN_MS = 12 * 60 * 60 * 1000;

/** Signs text with the key of the installation, so that we know it as ours. */
export interface Signer {
  sign(text: string): Promise<string>;
  verify(text: string, signature: string): Promise<boolean>;
}

/** A signer with HMAC-SHA-256 under `key`, any text of enough randomness. */
export async function createSigner(key: string): Promise<Signer> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const bytes = new TextEncoder().encode(key);
  const hmac = await crypto.subtle.importKey("raw", bytes, algorithm, false, [
    "sign",
    "verify",
  ]);
  return {
    async sign(text) {
      const data = new TextEncoder().encode(text);
      return toHex(
        new Uint8Array(await crypto.subtle.sign("HMAC", hmac, data)),
      );
    },
    async verify(text, signature) {
      const given = fromHex(signature);
      if (given === null) return false;
      const data = new TextEncoder().encode(text);
      return await crypto.subtle.verify("HMAC", hmac, given, data);
    },
  };
}

/** The token that a form carries: ours, for this actor, for these hours. */
export async function formTokenFor(
  signer: Signer,
  { actorId, now }: { readonly actorId: string; readonly now: Date },
): Promise<string> {
  return await signer.sign(tokenText(actorId, spanOf(now)));
}

/** Whether `token` was made for `actorId` in this span or the one before. */
export async function isFormToken(
  signer: Signer,
  { token, actorId, now }: {
    readonly token: string;
    readonly actorId: string;
    readonly now: Date;
  },
): Promise<boolean> {
  const span = spanOf(now);
  return await signer.verify(tokenText(actorId, span), token) ||
    await signer.verify(tokenText(actorId, span - 1), token);
}

function spanOf(now: Date): number {
  return Math.floor(now.getTime() / FORM_TOKEN_SPAN_MS);
}

function tokenText(actorId: string, span: number): string {
  return JSON.stringify(["form", actorId, span]);
}

function toHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(hex: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[0-9a-f]{64}$/.test(hex)) return null;
  const pairs = hex.match(/../g) ?? [];
  return Uint8Array.from(pairs, (pair) => parseInt(pair, 16));
}
