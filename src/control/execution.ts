import type { Database } from "../db/database.ts";
import {
  type Action,
  ACTION_POLICIES,
  type ParsedReason,
  parseReason,
} from "../domain/action.ts";
import type { AuditEvent } from "../domain/audit.ts";
import {
  changedNames,
  isPreviewToken,
  type Preview,
} from "../domain/preview.ts";
import type { Principal, ResourceRef } from "../seams.ts";
import { consumePreview, driftPreview } from "../store/previews.ts";
import { planAction } from "./actions.ts";
import { type Asked, command, recordApplied } from "./audit.ts";
import { type Control, type Notice, notify, parseActor } from "./control.ts";
import {
  askFor,
  findOwn,
  isAsPlanned,
  type PreviewRef,
  refuseClosed,
  refuseSpent,
} from "./own_preview.ts";
import { type Planned, sha256 } from "./plan.ts";
import { type Refused, refused } from "./refusal.ts";

/** Which preview to execute, and why. */
export interface ExecutePreview extends PreviewRef {
  /** Why, in the words of the actor. Jobs and cooldowns need one. */
  readonly reason?: string | null;
}

type ReasonRefusal = Extract<ParsedReason, { readonly ok: false }>["refusal"];

/** What was done, and the audit event that says so. */
export interface Executed {
  /** It was done, and the audit says so. */
  readonly ok: true;
  /** What the audit holds of it. */
  readonly event: AuditEvent;
  /** What was done. */
  readonly action: Action;
  /** To what. */
  readonly target: ResourceRef;
  /**
   * What came of it: of a run of a cron entry `decision`, `jobId` and
   * `blockedById`; of a job its state `before` and `after`; of a cooldown
   * `until`, in ISO 8601; otherwise nothing.
   */
  readonly result: Readonly<Record<string, string | number | boolean | null>>;
}

/**
 * Does what a preview shows, once: permission and principal are asked again,
 * then consumption, check for drift, change and audit are one transaction.
 *
 * A rejected reason leaves the preview ready. A target that changed spends it,
 * as `drifted`.
 */
export async function executePreview(
  control: Control,
  { actor: given, token, reason: text, via = "page" }: ExecutePreview,
): Promise<Executed | Refused> {
  const actor = parseActor(given);
  if (actor === null) return refused("anonymous");
  if (!isPreviewToken(token)) return refused("preview_spent");
  const preview = await findOwn(control.db, { actor, token });
  if (preview === null) {
    return await refuseSpent(control, {
      actor,
      via,
      action: "execute_preview",
    });
  }

  const { action, target } = preview;
  const reason = parseReason(text, ACTION_POLICIES[action].reason);
  const asked: Asked = {
    ...askFor(action, target.id),
    actor,
    via,
    previewId: preview.id,
    reason: reason.ok ? reason.reason : null,
  };
  const notices: Notice[] = [];
  const executed = await command(control, asked, async (tx, principal) => {
    if (preview.status !== "ready") return await refuseClosed(tx, preview);
    if (!reason.ok) return refusedReason(action, reason.refusal);
    const tokenHash = await sha256(token);
    const use = { tokenHash, createdBy: actor.id, reason: reason.reason };
    if (await consumePreview(tx, use) === null) {
      const now = await findOwn(tx, { actor, token });
      return now === null
        ? refused("preview_spent")
        : await refuseClosed(tx, now);
    }
    return await act(tx, { preview, asked, principal, notices });
  });
  if (executed.ok) {
    for (const notice of notices) await notify(control, notice);
  }
  return executed;
}

/** After the consumption: drift or change. Every refusal here is a drift. */
async function act(
  tx: Database,
  { preview, asked, principal, notices }: {
    readonly preview: Preview;
    readonly asked: Asked;
    readonly principal: Principal;
    readonly notices: Notice[];
  },
): Promise<Executed | Refused> {
  const { action, target, params, summary } = preview;
  const planned = await planAction(tx, { action, targetId: target.id, params });
  if (planned === null) {
    await driftPreview(tx, preview.id);
    return refused("not_found");
  }
  const unchanged = await isAsPlanned(preview, planned);
  const acted = unchanged && planned.outlook.ok
    ? await planned.act(principal, asked.reason ?? null)
    : null;
  if (acted === null) {
    await driftPreview(tx, preview.id);
    return unchanged ? notPossible(planned) : drifted(preview, planned);
  }

  const { eventType, risk } = ACTION_POLICIES[action];
  const event = await recordApplied(tx, {
    asked,
    principal,
    eventType,
    before: planned.before,
    after: acted.after,
    details: { summary, risk, params, result: acted.result },
  });
  notices.push(...acted.notices);
  return { ok: true, event, action, target, result: acted.result };
}

function notPossible({ outlook }: Planned): Refused {
  return outlook.ok ? refused("wrong_state") : outlook;
}

function drifted(preview: Preview, planned: Planned): Refused {
  const changed = changedNames(preview.before, planned.before);
  if (changed.length === 0) return refused("preview_drifted");
  return refused("preview_drifted", {
    message: `It changed after the preview (${changed.join(", ")}). ` +
      `Nothing was done.`,
  });
}

/** The rule that a reason broke, with its numbers. */
function refusedReason(action: Action, refusal: ReasonRefusal): Refused {
  const { minCharacters, maxCharacters, required } =
    ACTION_POLICIES[action].reason;
  if (refusal === "invalid_input") {
    return refused(refusal, {
      message: "The reason holds characters that can not be stored or seen.",
      legalNextSteps: ["give_reason"],
    });
  }
  const least = required ? minCharacters : 0;
  return refused(refusal, {
    message: `A reason for this has ${least} to ${maxCharacters} characters.`,
  });
}
