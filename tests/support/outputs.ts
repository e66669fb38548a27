import { KEEP_CLASSES } from "../../src/domain/output.ts";
import type { StorableOutput } from "../../src/store/outputs.ts";

/** What a run left, as it goes into the statement that ends it. */
export function outputOf(
  value: unknown,
  { keepMs = KEEP_CLASSES.standard as number } = {},
): StorableOutput {
  const text = JSON.stringify(value);
  const bytes = new TextEncoder().encode(text).length;
  return { text, bytes, keepMs, worker: "work", limitBytes: 65_536 };
}
