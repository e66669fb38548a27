import { assert } from "../assert.ts";
import type { Database } from "../db/database.ts";
import type {
  Actor,
  Auth,
  Permission,
  Principal,
  ResourceRef,
} from "../seams.ts";
import { type Notice, sendNotice } from "../store/notices.ts";

export type { Notice } from "../store/notices.ts";

/** Where a command came from, for the audit. */
export type Via = "page" | "api" | "cli";

/** What the control plane works with. */
export interface Control {
  readonly db: Database;
  readonly auth: Pick<Auth, "authorize" | "auditPrincipal">;
  /** Sends a hint after the commit: by NOTIFY, unless the host has another way. */
  readonly notify?: (notice: Notice) => void | Promise<void>;
  /**
   * Hears of a seam that threw or answered nonsense; the answer was then no. And
   * of a refusal that the audit could not take; it stands all the same.
   */
  readonly onSeamFailure?: (failure: SeamFailure) => void;
  /** Open previews of one actor; beyond it the oldest expire. 100 if left out. */
  readonly openPreviewsMax?: number;
}

/** A host function, or the audit, that did not answer as it must. */
export interface SeamFailure {
  readonly seam:
    | "authorize"
    | "auditPrincipal"
    | "audit"
    | "encryption.reveal";
  /** What it threw; absent when it answered nonsense. */
  readonly error?: unknown;
}

/**
 * Asks the host whether `actor` may use `permission` on `resource`. Nobody may
 * do anything, and an exception or an answer other than `true` means no.
 */
export async function allowed(
  control: Control,
  { actor, permission, resource }: {
    readonly actor: Actor | null;
    readonly permission: Permission;
    readonly resource: ResourceRef;
  },
): Promise<boolean> {
  if (actor === null) return false;
  try {
    const answer: unknown = await control.auth.authorize(
      actor,
      permission,
      resource,
    );
    if (typeof answer !== "boolean") {
      reportFailure(control, { seam: "authorize" });
    }
    return answer === true;
  } catch (error) {
    reportFailure(control, { seam: "authorize", error });
    return false;
  }
}

/** Asks the host for the name of `actor` in the audit; null: there is none. */
export async function principalOf(
  control: Control,
  actor: Actor,
): Promise<Principal | null> {
  try {
    const answer: unknown = await control.auth.auditPrincipal(actor);
    if (answer === null || answer === undefined) return null;
    const principal = parsePrincipal(answer);
    if (principal === null) reportFailure(control, { seam: "auditPrincipal" });
    return principal;
  } catch (error) {
    reportFailure(control, { seam: "auditPrincipal", error });
    return null;
  }
}

/**
 * Reads a principal that a host returned. An id may be an integer, as many
 * user tables have it; everything is kept as text.
 *
 * @returns `null` if it does not say who is accountable.
 */
export function parsePrincipal(answer: unknown): Principal | null {
  if (typeof answer !== "object" || answer === null) return null;
  const { id, type, label } = answer as Readonly<Record<string, unknown>>;
  const name = typeof id === "bigint" || Number.isSafeInteger(id)
    ? String(id)
    : id;
  if (!isName(name, 200) || !isName(type, 100)) return null;
  if (label === undefined || label === null) return { id: name, type };
  return isName(label, 200) ? { id: name, type, label } : null;
}

/** Reads who asks; `null` if it can not be told apart from anybody else. */
export function parseActor(actor: unknown): Actor | null {
  if (typeof actor !== "object" || actor === null) return null;
  const { id } = actor as Readonly<Record<string, unknown>>;
  // The host's own object, with whatever its seams need of it.
  return isName(id, 200) ? actor as Actor : null;
}

/** Text of 1 to `max` characters that can be stored, printed and compared. */
export function isName(value: unknown, max: number): value is string {
  assert(max > 0, "a name has room for a character");
  return typeof value === "string" && value.trim() === value &&
    value !== "" && [...value].length <= max && !/[\p{Cc}\p{Cs}]/u.test(value);
}

/** Text that can name something in a statement and in the audit. */
export function isTargetId(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "" &&
    [...value].length <= 200 && !/[\p{Cc}\p{Cs}]/u.test(value);
}

/** Sends a hint. The change is committed: nothing may fail any more. */
export async function notify(control: Control, notice: Notice): Promise<void> {
  try {
    if (control.notify === undefined) await sendNotice(control.db, notice);
    else await control.notify(notice);
  } catch {
    // Executors look by themselves within a second.
  }
}

/** Tells the host that an answer was no for want of a better one. */
export function reportFailure(control: Control, failure: SeamFailure): void {
  try {
    control.onSeamFailure?.(failure);
  } catch {
    // The answer stays no, whatever happens to the news of it.
  }
}
