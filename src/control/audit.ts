import type { Database } from "../db/database.ts";
import type { AttemptState, PreviewId, Snapshot } from "../domain/preview.ts";
import {
  type AuditEvent,
  type AuditHead,
  type AuditVerdict,
  REFUSED_EVENT_TYPE,
} from "../domain/audit.ts";
import type { Actor, Permission, Principal, ResourceRef } from "../seams.ts";
import {
  appendAuditEvent,
  findAuditEvent,
  findAuditHead,
  findUncountedAuditEvent,
  verifyAuditChunk,
} from "../store/audit.ts";
import { linkPreview } from "../store/previews.ts";
import {
  allowed,
  type Control,
  principalOf,
  reportFailure,
  type Via,
} from "./control.ts";
import { type Refusal, type Refused, refused } from "./refusal.ts";

/** What was asked for, as far as it is known before anything is decided. */
export interface Asked {
  readonly actor: Actor;
  /** The command, such as `pause_cron_entry`. */
  readonly action: string;
  readonly resource: ResourceRef;
  /** Null where no permission of the host stands in front of the command. */
  readonly permission: Permission | null;
  readonly via: Via;
  readonly previewId?: PreviewId | null;
  readonly reason?: string | null;
}

/**
 * Which refusals are written into the audit.
 *
 * Nothing is written about somebody it can not name. What can not be read is
 * not written either: there is no action and no target to hold it against, and
 * anybody could fill the audit with text of their own.
 */
const RECORDED: Readonly<Record<Refusal, boolean>> = {
  anonymous: false,
  not_allowed: true,
  not_attributable: false,
  not_found: true,
  preview_spent: true,
  preview_consumed: true,
  preview_expired: true,
  preview_drifted: true,
  preview_withdrawn: true,
  wrong_state: true,
  unique_key_held: true,
  reason_required: true,
  reason_too_short: true,
  reason_too_long: true,
  unknown_action: false,
  invalid_input: false,
};

/**
 * Runs a command as the host allows it: permission and principal are asked for,
 * then `act` runs in one transaction, in which a refusal is recorded as well.
 *
 * The host's code runs before the transaction: it may query, and PGlite has one
 * connection. A refusal commits what `act` wrote; only a fault rolls it back.
 * A refusal that can not be recorded is a refusal all the same.
 */
export async function command<Done extends { readonly ok: true }>(
  control: Control,
  asked: Asked,
  act: (tx: Database, principal: Principal) => Promise<Done | Refused>,
): Promise<Done | Refused> {
  const { actor, permission, resource } = asked;
  const mayAct = permission === null ||
    await allowed(control, { actor, permission, resource });
  const principal = await principalOf(control, actor);
  if (principal === null) {
    return refused(mayAct ? "not_attributable" : "not_allowed");
  }

  return await control.db.transaction(async (tx) => {
    const answer = mayAct ? await act(tx, principal) : refused("not_allowed");
    if (!answer.ok && RECORDED[answer.refusal]) {
      const refusal: Refused = answer;
      // In a transaction of its own: an audit that can not be written takes no
      // change with it, and whoever is refused hears why.
      await tx.transaction((inner) =>
        recordRefusal(inner, { asked, principal, refusal })
      ).catch((error: unknown) =>
        reportFailure(control, { seam: "audit", error })
      );
    }
    return answer;
  });
}

/** Records that a command was done, as the last step of its transaction. */
export async function recordApplied(
  tx: Database,
  done: {
    readonly asked: Asked;
    readonly principal: Principal;
    readonly eventType: string;
    readonly before: Snapshot;
    readonly after: Snapshot;
    readonly details: Readonly<Record<string, unknown>>;
  },
): Promise<AuditEvent> {
  const { asked, principal, eventType, before, after, details } = done;
  const event = await appendAuditEvent(tx, {
    ...common(asked, principal),
    eventType,
    result: "applied",
    refusal: null,
    legalNextSteps: [],
    before,
    after,
    details: { via: asked.via, attempt: "succeeded", ...details },
  });
  await link(tx, asked, event);
  return event;
}

/** How far an attempt got that ended in a refusal; `attempted` for the rest. */
const ATTEMPT_OF_REFUSAL: Readonly<Partial<Record<Refusal, AttemptState>>> = {
  preview_consumed: "consumed",
  preview_drifted: "drifted",
  preview_expired: "expired",
  preview_withdrawn: "withdrawn",
};

async function recordRefusal(
  tx: Database,
  { asked, principal, refusal }: {
    readonly asked: Asked;
    readonly principal: Principal;
    readonly refusal: Refused;
  },
): Promise<void> {
  const attempt: AttemptState = ATTEMPT_OF_REFUSAL[refusal.refusal] ??
    "attempted";
  const event = await appendAuditEvent(tx, {
    ...common(asked, principal),
    eventType: REFUSED_EVENT_TYPE,
    result: "refused",
    refusal: refusal.refusal,
    legalNextSteps: refusal.legalNextSteps,
    before: null,
    after: null,
    details: { via: asked.via, attempt, message: refusal.message },
  });
  await link(tx, asked, event);
}

function common(asked: Asked, principal: Principal) {
  return {
    action: asked.action,
    resourceType: asked.resource.type,
    resourceId: asked.resource.id,
    actorId: asked.actor.id,
    principalId: principal.id,
    principalType: principal.type,
    principalLabel: principal.label ?? null,
    reason: asked.reason ?? null,
    previewId: asked.previewId ?? null,
  };
}

async function link(tx: Database, asked: Asked, event: AuditEvent) {
  const id = asked.previewId ?? null;
  if (id !== null) await linkPreview(tx, { id, auditId: event.id });
}

/** Before the first event. */
const START: AuditHead = { id: "0", hash: "0".repeat(64) };

/**
 * Recomputes the whole chain and finds the first event that does not hold: one
 * that was edited, removed (at the end as well, and all of them), swapped, or
 * put in without being counted.
 *
 * What it can not find: somebody who may write every table, and who computes all
 * hashes and the head anew after the change, leaves a chain that holds. Keep the
 * head that this returns somewhere else, and give it as `anchor` later: then
 * that is found too, up to the anchor.
 */
export async function verifyAudit(
  db: Database,
  { anchor }: { readonly anchor?: AuditHead } = {},
): Promise<AuditVerdict> {
  const head = await findAuditHead(db);
  if (head === null) {
    return { ok: false, brokenAt: "1", finding: "head_changed" };
  }
  let after = START;
  let events = 0;
  while (true) {
    const chunk = await verifyAuditChunk(db, { after, through: head });
    if (chunk.brokenAt !== null && chunk.finding !== null) {
      return { ok: false, brokenAt: chunk.brokenAt, finding: chunk.finding };
    }
    if (chunk.last === null) break;
    after = chunk.last;
    events += chunk.events;
  }
  const broken = brokenEnd(after, head) ?? await uncounted(db) ??
    await moved(db, anchor ?? null);
  return broken ?? { ok: true, events, head };
}

type Broken = Extract<AuditVerdict, { readonly ok: false }>;

function brokenEnd(last: AuditHead, head: AuditHead): Broken | null {
  if (BigInt(last.id) < BigInt(head.id)) {
    const brokenAt = `${BigInt(last.id) + 1n}` as const;
    return { ok: false, brokenAt, finding: "missing" };
  }
  if (last.hash === head.hash) return null;
  return { ok: false, brokenAt: head.id, finding: "head_changed" };
}

async function uncounted(db: Database): Promise<Broken | null> {
  const brokenAt = await findUncountedAuditEvent(db);
  if (brokenAt === null) return null;
  return { ok: false, brokenAt, finding: "inserted" };
}

async function moved(
  db: Database,
  anchor: AuditHead | null,
): Promise<Broken | null> {
  if (anchor === null || anchor.id === START.id) return null;
  const event = await findAuditEvent(db, anchor.id);
  if (event?.hash === anchor.hash) return null;
  return { ok: false, brokenAt: anchor.id, finding: "anchor_changed" };
}
