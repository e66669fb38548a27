import type { Database } from "../db/database.ts";
import { type Action, ACTION_POLICIES, parseAction } from "../domain/action.ts";
import {
  isPreviewToken,
  type Preview,
  type PreviewStatus,
} from "../domain/preview.ts";
import type { Actor } from "../seams.ts";
import {
  closePreview,
  findPreviewByToken,
  type PreviewRow,
} from "../store/previews.ts";
import { type Asked, command } from "./audit.ts";
import type { Control, Via } from "./control.ts";
import { planHash, type Planned, sameHash, sha256 } from "./plan.ts";
import { type Refusal, type Refused, refused } from "./refusal.ts";

/** Which preview, and who asks. */
export interface PreviewRef {
  /** Who asks; `null` is refused as `anonymous`. Only who made it may. */
  readonly actor: Actor | null;
  /** What `preview()` returned. */
  readonly token: string;
  /** Where the audit says it came from. */
  readonly via?: Via;
}

/** The part of a command that its action and target decide. */
export function askFor(
  action: Action,
  targetId: string,
): Pick<Asked, "action" | "permission" | "resource"> {
  const { permission, targetType } = ACTION_POLICIES[action];
  return { action, permission, resource: { type: targetType, id: targetId } };
}

/** The preview of a token if this actor made it; nobody else learns of it. */
export async function findOwn(
  db: Database,
  { actor, token }: { readonly actor: Actor; readonly token: string },
): Promise<Preview | null> {
  if (!isPreviewToken(token)) return null;
  const row = await findPreviewByToken(db, await sha256(token));
  return row === null || row.createdBy !== actor.id ? null : parsePreview(row);
}

/** Reads a row; null if its action is of a version that we are not. */
export function parsePreview(row: PreviewRow): Preview | null {
  const { action: name, targetType, targetId, ...rest } = row;
  const action = parseAction(name);
  if (action === null) return null;
  return { ...rest, action, target: { type: targetType, id: targetId } };
}

/** Recorded, so that somebody who tries tokens out leaves a trace. */
export async function refuseSpent(
  control: Control,
  { actor, via, action }: {
    readonly actor: Actor;
    readonly via: Via;
    readonly action: string;
  },
): Promise<Refused> {
  const resource = { type: "page", id: "previews" } as const;
  const asked: Asked = { actor, action, resource, permission: null, via };
  const answer = await command<never>(
    control,
    asked,
    () => Promise.resolve(refused("preview_spent")),
  );
  return answer;
}

const REFUSAL_OF_STATUS: Readonly<Record<PreviewStatus, Refusal>> = {
  ready: "preview_spent",
  drifted: "preview_drifted",
  expired: "preview_expired",
  consumed: "preview_consumed",
  withdrawn: "preview_withdrawn",
};

/** Says why a preview has no use left, and writes down that it expired. */
export async function refuseClosed(
  tx: Database,
  preview: Preview,
): Promise<Refused> {
  if (preview.status === "expired" && preview.closedAt === null) {
    await closePreview(tx, { id: preview.id, status: "expired" });
  }
  return refused(REFUSAL_OF_STATUS[preview.status]);
}

/** Whether a target is still what the preview was made from. */
export async function isAsPlanned(
  { action, target, params, planHash: was }: Preview,
  { facts }: Planned,
): Promise<boolean> {
  const plan = { action, targetId: target.id, params, facts };
  return sameHash(was, await planHash(plan));
}
