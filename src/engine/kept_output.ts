import { type OutputRule, parseOutputRule } from "../domain/output.ts";
import { looksSealed } from "../domain/sealed_output.ts";
import { isStorableJson } from "../domain/storable.ts";
import { assert } from "../assert.ts";
import type { OnEvent, YardmasterEvent } from "../events.ts";
import type { StorableOutput } from "../store/outputs.ts";
import type { UnsealedOutput } from "./ended_run.ts";

/**
 * What a worker says about its output, with the defaults filled in.
 *
 * @throws {TypeError} If it is out of bounds.
 */
export function outputRule(
  option: unknown,
  worker: string,
): OutputRule | null {
  const parsed = parseOutputRule(option);
  assert(
    parsed.ok,
    `recordOutput of ${worker} ${parsed.ok ? "" : parsed.problem}`,
  );
  return parsed.rule;
}

/** What to keep of a run, by whether it must be encrypted before it is stored. */
export type LeftOutput =
  | { readonly output: StorableOutput }
  | { readonly unsealed: UnsealedOutput };

/**
 * What to keep of what a run returned: all of it or nothing, and its job
 * completes in either case. Nothing is kept of `undefined`.
 */
export function storableOutput(
  value: unknown,
  { worker, rule, onEvent }: {
    readonly worker: string;
    readonly rule: OutputRule;
    readonly onEvent: OnEvent;
  },
): LeftOutput | null {
  if (value === undefined) return null;
  const { limitBytes, keepMs, encrypt } = rule;
  const text = toJson(value);
  const bytes = text === null ? null : bytesOf(text);
  const drop = (why: OutputDropped["why"]) => {
    onEvent({ type: "output_dropped", worker, why, bytes, limitBytes });
    return null;
  };
  if (text === null || bytes === null) return drop("not_json");
  if (bytes > limitBytes) return drop("too_large");
  const kept = { text, bytes, keepMs, worker, limitBytes };
  if (encrypt) return { unsealed: kept };
  // Whoever reads it would take it for one that was encrypted.
  return looksSealed(text) ? drop("reserved") : { output: kept };
}

type OutputDropped = Extract<YardmasterEvent, { type: "output_dropped" }>;

/** The one place in which an output becomes text. */
function toJson(value: unknown): string | null {
  try {
    const text = written(value);
    return text !== undefined && isStorableJson(text) ? text : null;
  } catch {
    return null;
  }
}

function written(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    // Mostly a `bigint`, which has no form of its own in JSON. Most outputs have
    // none, and need not be asked for each of their values.
    return JSON.stringify(
      value,
      (_key, each) => typeof each === "bigint" ? String(each) : each,
    );
  }
}

const encoder = new TextEncoder();

function bytesOf(text: string): number {
  return encoder.encode(text).length;
}
