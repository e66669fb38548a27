import type { ResourceRef } from "../seams.ts";
import type { Action } from "./action.ts";

/** What can become of a preview. */
export type PreviewStatus =
  /** It can be executed. */
  | "ready"
  /** Its target changed after it was made. */
  | "drifted"
  /** Its time is over. */
  | "expired"
  /** It was executed. */
  | "consumed"
  /** Its creator gave it up. */
  | "withdrawn";
/** All of them: the same list as the enum in the database. */
export const PREVIEW_STATUSES = [
  "ready",
  "drifted",
  "expired",
  "consumed",
  "withdrawn",
] as const satisfies readonly PreviewStatus[];

/** How far an operator's attempt to act got. */
export const ATTEMPT_STATES = [
  "previewed",
  /** A command was given and refused. */
  "attempted",
  "succeeded",
  "drifted",
  "expired",
  "consumed",
  "withdrawn",
] as const;
/** One of {@linkcode ATTEMPT_STATES}. */
export type AttemptState = typeof ATTEMPT_STATES[number];

/** What an operator is shown of a target: names to plain values, no args. */
export type Snapshot = Readonly<
  Record<string, string | number | boolean | null>
>;

/** What an action was asked to do beyond its target, such as a new limit. */
export type ActionParams = Readonly<
  Record<string, string | number | boolean | null>
>;

/** The id of a preview. */
export type PreviewId = `${bigint}`;

/** What would happen, frozen. It can be executed once, by who asked for it. */
export interface Preview {
  /** As the audit names it. */
  readonly id: PreviewId;
  /** What would be done. */
  readonly action: Action;
  /** To what. */
  readonly target: ResourceRef;
  /** What was asked for beside the target, such as a new limit. */
  readonly params: ActionParams;
  /** What the target was when it was made. */
  readonly before: Snapshot;
  /** What it would be afterwards. */
  readonly after: Snapshot;
  /** One sentence that names the action and its target. */
  readonly summary: string;
  /** SHA-256 of everything in the target that the action depends on. */
  readonly planHash: Uint8Array;
  /** Id of the actor, who alone can execute it. */
  readonly createdBy: string;
  /** By the clock of the database. */
  readonly createdAt: Date;
  /** From then on it can not be executed: half an hour later. */
  readonly expiresAt: Date;
  /** `expired` as soon as its time is over, whether or not that was written. */
  readonly status: PreviewStatus;
  /** When it was executed, given up or found drifted; `null` while ready. */
  readonly closedAt: Date | null;
  /** What the actor gave as reason when it was executed; `null` for none. */
  readonly reason: string | null;
  /** The audit event that tells what came of it. */
  readonly auditId: `${bigint}` | null;
}

/**
 * Names what differs between two snapshots, in the order of the first.
 *
 * @returns An empty list if the same is shown; the target may still have
 * changed in something that a snapshot leaves out.
 */
export function changedNames(before: Snapshot, now: Snapshot): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(now)])];
  return names.filter((name) => before[name] !== now[name]);
}

/** 32 random bytes in base64url: 43 characters, the last of which is not free. */
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** Makes the token of a preview from 32 random bytes. */
export function previewToken(random: Uint8Array): string {
  return btoa(String.fromCharCode(...random))
    .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Whether text can be the token of a preview at all. */
export function isPreviewToken(text: unknown): text is string {
  return typeof text === "string" && TOKEN.test(text);
}
