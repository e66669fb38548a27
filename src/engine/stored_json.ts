import { JOB_BOUNDS } from "../domain/job.ts";
import { isStorableJson } from "../domain/storable.ts";
import type { JsonObject } from "./worker.ts";

/** What can be stored, or what is wrong with it. */
export type StoredCheck =
  | { readonly ok: true; readonly stored: StoredJson }
  | { readonly ok: false; readonly message: string };

/**
 * A JSON object as the database will give it back: a date is a text then, and
 * what is undefined is not there.
 */
export class StoredJson {
  readonly text: string;
  #value: JsonObject | null = null;

  constructor(text: string) {
    this.text = text;
  }

  /** Read when somebody asks: most jobs go to the database as the text. */
  get value(): JsonObject {
    return this.#value ??= JSON.parse(this.text) as JsonObject;
  }
}

/** What most jobs have for meta. */
export const NOTHING_STORED = {
  ok: true,
  stored: new StoredJson("{}"),
} as const satisfies StoredCheck;

/** Writes a value down once; what the host does with it later is its own. */
export function toStored(value: unknown): StoredCheck {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return bad("must be a JSON object");
  }
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    return bad(`can not be written as JSON: ${String(error)}`);
  }
  if (text === undefined || !text.startsWith("{")) {
    return bad("must be a JSON object");
  }
  if (text.length > JOB_BOUNDS.jsonLengthMax) {
    return bad("must be at most 1 MiB as JSON");
  }
  if (!isStorableJson(text)) {
    return bad(
      "must not hold NUL characters or half of a surrogate pair, nor be " +
        "nested deeper than 1,000",
    );
  }
  return { ok: true, stored: new StoredJson(text) };
}

function bad(message: string): StoredCheck {
  return { ok: false, message };
}
