import type { Database } from "../db/database.ts";
import { type Action, ACTION_POLICIES, parseAction } from "../domain/action.ts";
import {
  isPreviewToken,
  type Preview,
  previewToken,
  type Snapshot,
} from "../domain/preview.ts";
import type { Actor } from "../seams.ts";
import {
  closePreview,
  expireOverduePreviews,
  expireSurplusPreviews,
  insertPreview,
  prunePreviews,
} from "../store/previews.ts";
import { parseParams, planAction } from "./actions.ts";
import { type Asked, command } from "./audit.ts";
import {
  allowed,
  type Control,
  isTargetId,
  parseActor,
  type Via,
} from "./control.ts";
import {
  askFor,
  findOwn,
  isAsPlanned,
  parsePreview,
  type PreviewRef,
  refuseClosed,
  refuseSpent,
} from "./own_preview.ts";
import { planHash, type Planned, sha256 } from "./plan.ts";
import { type Refused, refused } from "./refusal.ts";

/** What an operator wants to see before doing it. */
export interface CreatePreview {
  /** Who asks; `null` is refused as `anonymous`. */
  readonly actor: Actor | null;
  /** One of `ACTIONS`; anything else is refused. */
  readonly action: string;
  /** The name of a cron entry, queue or limiter, or the id of a job. */
  readonly targetId: string;
  /** For `scale_queue`: `{ limit: 1 … 10000 | null }`. For the others: nothing. */
  readonly params?: unknown;
  /** Where the audit says it came from. */
  readonly via?: Via;
}

/** A preview, and the token that only its creator is ever shown. */
export interface CreatedPreview {
  /** There is one now. */
  readonly ok: true;
  /** What would happen. */
  readonly preview: Preview;
  /** What `execute()` wants. Only its hash is kept: it is shown here, once. */
  readonly token: string;
}

const OPEN_PREVIEWS_MAX = 100;

/**
 * Freezes what an action would do to a target, for its creator alone and for
 * one use. What would be refused at its execution is refused here already.
 *
 * Every call makes a new preview: only the hash of a token is kept, so an
 * earlier one can not be handed out again. The open previews of one actor are
 * bounded, and the oldest expire.
 */
export async function createPreview(
  control: Control,
  { actor: given, action: name, targetId, params, via = "page" }: CreatePreview,
): Promise<CreatedPreview | Refused> {
  const actor = parseActor(given);
  if (actor === null) return refused("anonymous");
  const action = parseAction(name);
  if (action === null) return refused("unknown_action");
  if (!isTargetId(targetId)) {
    return refused("invalid_input", {
      message: "The target must be the name or id of something.",
    });
  }
  const read = parseParams(action, params);
  if (!read.ok) return read;

  const asked = { ...askFor(action, targetId), actor, via };
  const created = await command(control, asked, async (tx) => {
    const planned = await planAction(tx, {
      action,
      targetId,
      params: read.params,
    });
    if (planned === null) return refused("not_found");
    if (!planned.outlook.ok) return planned.outlook;
    return await insert(tx, { asked, action, params: read.params, planned });
  });
  if (created.ok) {
    const keep = control.openPreviewsMax ?? OPEN_PREVIEWS_MAX;
    await expireSurplusPreviews(control.db, { createdBy: actor.id, keep });
  }
  return created;
}

async function insert(
  tx: Database,
  { asked, action, params, planned }: {
    readonly asked: Asked;
    readonly action: Action;
    readonly params: Preview["params"];
    readonly planned: Planned;
  },
): Promise<CreatedPreview | Refused> {
  const { before, facts, outlook } = planned;
  if (!outlook.ok) return outlook;
  const token = previewToken(crypto.getRandomValues(new Uint8Array(32)));
  const { id: targetId, type: targetType } = asked.resource;
  const row = await insertPreview(tx, {
    tokenHash: await sha256(token),
    action,
    targetType,
    targetId,
    params,
    before,
    after: outlook.after,
    summary: outlook.summary,
    planHash: await planHash({ action, targetId, params, facts }),
    createdBy: asked.actor.id,
    ttlMs: ACTION_POLICIES[action].ttlMs,
  });
  const preview = parsePreview(row);
  return preview === null
    ? refused("unknown_action")
    : { ok: true, preview, token };
}

/** A preview as it stands now. */
export interface FoundPreview {
  /** It exists, and the actor made it. */
  readonly ok: true;
  /** `drifted` as soon as its target has changed, written or not. */
  readonly preview: Preview;
  /** The target now, to show beside `before`; null: it is gone. */
  readonly current: Snapshot | null;
}

/**
 * Shows a preview to its creator, who must still have the permission.
 *
 * It is a look and not a command: nothing is written, and a refusal is not
 * recorded.
 */
export async function findPreview(
  control: Control,
  { actor: given, token }: PreviewRef,
): Promise<FoundPreview | Refused> {
  const actor = parseActor(given);
  if (actor === null) return refused("anonymous");
  const preview = await findOwn(control.db, { actor, token });
  if (preview === null) return refused("preview_spent");
  const { action, target, params } = preview;
  const { permission } = ACTION_POLICIES[action];
  if (!await allowed(control, { actor, permission, resource: target })) {
    return refused("not_allowed");
  }

  const planned = await control.db.transaction((tx) =>
    planAction(tx, { action, targetId: target.id, params })
  );
  const current = planned?.before ?? null;
  const same = preview.status !== "ready" || planned !== null &&
      await isAsPlanned(preview, planned);
  return {
    ok: true,
    preview: same ? preview : { ...preview, status: "drifted" },
    current,
  };
}

/**
 * Gives a preview up. Once withdrawn it stays so, and saying it again is no
 * refusal. It needs no permission: nothing comes of it.
 */
export async function withdrawPreview(
  control: Control,
  { actor: given, token, via = "page" }: PreviewRef,
): Promise<{ readonly ok: true } | Refused> {
  const actor = parseActor(given);
  if (actor === null) return refused("anonymous");
  if (!isPreviewToken(token)) return refused("preview_spent");
  const preview = await findOwn(control.db, { actor, token });
  const action = "withdraw_preview";
  if (preview === null) {
    return await refuseSpent(control, { actor, via, action });
  }
  const asked: Asked = {
    actor,
    action,
    resource: preview.target,
    permission: null,
    via,
    previewId: preview.id,
  };
  return await command(control, asked, async (tx) => {
    const { id } = preview;
    if (
      preview.status === "ready" &&
      await closePreview(tx, { id, status: "withdrawn" })
    ) {
      return { ok: true };
    }
    const now = await findOwn(tx, { actor, token }) ?? preview;
    return now.status === "withdrawn"
      ? { ok: true }
      : await refuseClosed(tx, now);
  });
}

/** A week: by then nobody comes back to a tab with a preview in it. */
const CLOSED_FOR_MS = 7 * 24 * 60 * 60 * 1_000;

/**
 * Writes down which previews have expired, and deletes those that were closed a
 * week ago; what came of them is in the audit. At most 1,000 of each.
 */
export async function sweepPreviews(
  db: Database,
  { closedForMs = CLOSED_FOR_MS }: { readonly closedForMs?: number } = {},
): Promise<{ readonly expired: number; readonly pruned: number }> {
  const expired = await expireOverduePreviews(db);
  const pruned = await prunePreviews(db, { closedForMs });
  return { expired, pruned };
}
