import type { ResourceType } from "../seams.ts";
import type { Snapshot } from "./preview.ts";

/** Whether something was done or refused. As the enum in the database. */
export const AUDIT_RESULTS = ["applied", "refused"] as const;
/** One of {@linkcode AUDIT_RESULTS}. */
export type AuditResult = typeof AUDIT_RESULTS[number];

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
  readonly result: AuditResult;
  readonly refusal: string | null;
  readonly legalNextSteps: readonly string[];
  readonly resourceType: ResourceType;
  readonly resourceId: string;
  readonly actorId: string;
  readonly principalId: string | null;
  readonly principalType: string | null;
  readonly principalLabel: string | null;
  readonly reason: string | null;
  readonly previewId: `${bigint}` | null;
  readonly before: Snapshot | null;
  readonly after: Snapshot | null;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Who did what to which thing and why, as it was written. */
export interface AuditEvent extends AuditEntry {
  readonly id: AuditEventId;
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
