import type { ResourceType } from "../seams.ts";
import type { Snapshot } from "./preview.ts";

/** Whether something was done or refused. */
export type AuditResult = "applied" | "refused";
/** Both of them: as the enum in the database. */
export const AUDIT_RESULTS = [
  "applied",
  "refused",
] as const satisfies readonly AuditResult[];

/** The event type of every refusal; what was asked for is its `action`. */
export const REFUSED_EVENT_TYPE = "command.refused";

/** The id of an audit event: 1, 2, 3 … without a gap. */
export type AuditEventId = `${bigint}`;

/** What the caller of an append brings; place, time and hash are added by it. */
export interface AuditEntry {
  /** What happened, such as `cron.paused`; a refusal is `command.refused`. */
  readonly eventType: string;
  /** The command that was given, such as `pause_cron_entry`. */
  readonly action: string;
  /** `refused`: nothing was changed. */
  readonly result: AuditResult;
  /** Why nothing was done; `null` when it was. */
  readonly refusal: string | null;
  /** What was said to be possible instead. */
  readonly legalNextSteps: readonly string[];
  /** What kind of thing it was about. */
  readonly resourceType: ResourceType;
  /** Its name or id. */
  readonly resourceId: string;
  /** Who asked. */
  readonly actorId: string;
  /** Whom the audit holds to account; `null` if the host named nobody. */
  readonly principalId: string | null;
  /** Such as `user`; `null` if the host named nobody. */
  readonly principalType: string | null;
  /** As the host showed them then; `null` without a label. */
  readonly principalLabel: string | null;
  /** In the words of the actor; `null` without one. */
  readonly reason: string | null;
  /** The preview that was executed; `null` if it did not come so far. */
  readonly previewId: `${bigint}` | null;
  /** What the thing was; `null` where nothing was changed. */
  readonly before: Snapshot | null;
  /** What it is since; `null` where nothing was changed. */
  readonly after: Snapshot | null;
  /** What else is known, such as params and what came of it. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Who did what to which thing and why, as it was written. */
export interface AuditEvent extends AuditEntry {
  /** Its place in the chain. */
  readonly id: AuditEventId;
  /** By the clock of the database. */
  readonly at: Date;
  /** Of the event before it, in hexadecimal; 64 zeros before the first. */
  readonly previousHash: string;
  /** SHA-256, in hexadecimal, over the one before and all other columns. */
  readonly hash: string;
}

/** The end of the chain. Whoever keeps it elsewhere can prove a later rewrite. */
export interface AuditHead {
  readonly id: AuditEventId;
  readonly hash: string;
}

/** What is wrong at the first place where the chain does not hold. */
export type AuditFinding =
  /** The event's own columns are not those that were hashed. */
  | "edited"
  /** There is no event of this id, though later ones or the head know of it. */
  | "missing"
  /** It does not follow on the event before it: swapped, or put in. */
  | "out_of_order"
  /** It lies outside of what the head has ever counted. */
  | "inserted"
  /** The head is gone or does not carry the hash of the last event. */
  | "head_changed"
  /** The chain holds in itself, but it is not the one that was anchored. */
  | "anchor_changed";

/** A sentence for each finding, after the id of the event. */
export const AUDIT_FINDINGS: Readonly<Record<AuditFinding, string>> = {
  edited: "was edited after it was written",
  missing: "is missing",
  out_of_order: "does not follow on the event before it",
  inserted: "was put in without being counted",
  head_changed: "is not what the head of the chain says",
  anchor_changed: "is not the event that was anchored",
};

/** What a check of the whole audit found. */
export type AuditVerdict =
  | { readonly ok: true; readonly events: number; readonly head: AuditHead }
  | {
    readonly ok: false;
    /** The id of the first event that does not hold. */
    readonly brokenAt: AuditEventId;
    readonly finding: AuditFinding;
  };
