/** Reads the body of a form, within limits. */

/** The fields of a form; of a name that comes twice, the last one. */
export type FormFields = Readonly<Record<string, string>>;

/** The largest form that is read, in bytes. */
export const FORM_BYTES_MAX = 65_536;
const FIELDS_MAX = 100;

/** The fields, or the status and the sentence of what is wrong with them. */
export type ReadForm =
  | { readonly ok: true; readonly fields: FormFields }
  | {
    readonly ok: false;
    readonly status: 400 | 413 | 415;
    readonly why: string;
  };

/** Reads a form of at most {@linkcode FORM_BYTES_MAX} bytes. */
export async function readForm(request: Request): Promise<ReadForm> {
  const type = request.headers.get("Content-Type") ?? "";
  if (!/^application\/x-www-form-urlencoded\b/i.test(type)) {
    return refuse(415, "Only forms as browsers send them are read here.");
  }
  const bytes = await readAtMost(request, FORM_BYTES_MAX);
  if (bytes === null) {
    return refuse(413, "The form is larger than 64 KiB.");
  }
  return parseForm(bytes);
}

function parseForm(bytes: Uint8Array): ReadForm {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return refuse(400, "The form is not encoded as a browser would do it.");
  }
  const pairs = [...new URLSearchParams(text)];
  if (pairs.length > FIELDS_MAX) {
    return refuse(400, "The form has more than 100 fields.");
  }
  // Postgres can not store it, and no keyboard types it.
  if (pairs.some(([name, value]) => `${name}${value}`.includes("\0"))) {
    return refuse(400, "The form contains a NUL character.");
  }
  return { ok: true, fields: Object.fromEntries(pairs) };
}

/** The whole body, or `null` as soon as it is more than `max` bytes. */
async function readAtMost(
  request: Request,
  max: number,
): Promise<Uint8Array | null> {
  if (Number(request.headers.get("Content-Length") ?? 0) > max) return null;
  if (request.body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  // A reader and not `for await`: not every runtime iterates over a stream.
  const reader = request.body.getReader();
  while (true) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > max) {
      await reader.cancel();
      return null;
    }
    chunks.push(value);
  }
  return joined(chunks, size);
}

function joined(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

function refuse(status: 400 | 413 | 415, why: string): ReadForm {
  return { ok: false, status, why };
}
