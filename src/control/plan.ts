import type { Database } from "../db/database.ts";
import type { Action } from "../domain/action.ts";
import type { ActionParams, Snapshot } from "../domain/preview.ts";
import { canonicalJson } from "../domain/unique_key.ts";
import type { Principal } from "../seams.ts";
import type { Notice } from "./control.ts";
import type { Refused } from "./refusal.ts";

/** What an action would do to its target, which is locked meanwhile. */
export interface Planned {
  /** Everything the action depends on, more than anybody is shown. Hashed. */
  readonly facts: unknown;
  readonly before: Snapshot;
  readonly outlook: Outlook;
  /** Does it. Null: the guard of the statement found it no longer legal. */
  act(principal: Principal, reason: string | null): Promise<Acted | null>;
}

/** What would be so afterwards, or why it can not be done from here. */
export type Outlook =
  | { readonly ok: true; readonly after: Snapshot; readonly summary: string }
  | Refused;

/** What was done. */
export interface Acted {
  readonly after: Snapshot;
  /** What the caller wants to know of it, such as the id of a new job. */
  readonly result: Readonly<Record<string, string | number | boolean | null>>;
  readonly notices: readonly Notice[];
}

/** Locks the target of an action and plans it; null if there is none such. */
export type Plan = (
  tx: Database,
  asked: { readonly targetId: string; readonly params: ActionParams },
) => Promise<Planned | null>;

/** SHA-256 of everything that must not change between preview and execution. */
export async function planHash(
  plan: {
    readonly action: Action;
    readonly targetId: string;
    readonly params: ActionParams;
    readonly facts: unknown;
  },
): Promise<Uint8Array> {
  return await sha256(canonicalJson(plan));
}

/** SHA-256 of text. */
export async function sha256(text: string): Promise<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

/** Whether two hashes are the same. */
export function sameHash(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length &&
    left.every((byte, index) => byte === right[index]);
}
