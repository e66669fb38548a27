/** What an idempotent enqueue leaves behind. */
import { JOB_BOUNDS } from "./job.ts";

/** How a worker, or a call, is idempotent. */
export interface IdempotentOptions {
  /** How long a receipt holds: whole milliseconds from 1 s to ten years. */
  readonly keepMs: number;
}

/** Of receipts; the database checks some of it as well. */
export const RECEIPT_BOUNDS = {
  keepMsDefault: 24 * 60 * 60 * 1_000,
  keepMsMin: 1_000,
  keepMsMax: JOB_BOUNDS.delayMsMax,
  keyLengthMax: 255,
} as const;

/** With every default filled in. */
export interface ReceiptRule {
  /** The caller's own name for what it asks; `null`: the args are. */
  readonly key: string | null;
  readonly keepMs: number;
}

/** What a call says of its receipt. */
export interface ReceiptOfCall {
  readonly idempotent?: boolean | IdempotentOptions | undefined;
  readonly idempotencyKey?: string | undefined;
}

/**
 * Fills in the defaults. A key asks for a receipt by itself, `false` for none,
 * and what the call says wins over what the worker says.
 */
export function receiptRule(
  ofWorker: boolean | IdempotentOptions | undefined,
  { idempotent, idempotencyKey }: ReceiptOfCall,
): ReceiptRule | null {
  const asked = idempotent ?? ofWorker ?? false;
  if (idempotent === false) return null;
  if (asked === false && idempotencyKey === undefined) return null;
  const keepMs = keepMsOf(idempotent) ?? keepMsOf(ofWorker) ??
    RECEIPT_BOUNDS.keepMsDefault;
  return { key: idempotencyKey ?? null, keepMs };
}

function keepMsOf(
  value: boolean | IdempotentOptions | undefined,
): number | null {
  return typeof value === "object" ? value.keepMs : null;
}

/** What is asked for, of which a receipt has digests. */
export interface ReceiptParts {
  readonly asked: Readonly<Record<string, unknown>>;
  /** What a key must not be used again for, but with the same. */
  readonly args: Readonly<Record<string, unknown>> | null;
}

/**
 * What two calls must have in common to be one: the worker, and the args or the
 * caller's key. Queue, time, meta and tags are how it is done and not what, and
 * the version of the args is that of the code which wrote them.
 */
export function receiptParts(
  { key, worker }: { readonly key: string | null; readonly worker: string },
  args: Readonly<Record<string, unknown>>,
): ReceiptParts {
  if (key === null) {
    return { asked: { receipt: "args", worker, args }, args: null };
  }
  return {
    asked: { receipt: "key", worker, key },
    args: { receipt: "args_of_key", worker, args },
  };
}
