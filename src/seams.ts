/**
 * What the host decides. Every seam is a function of our nouns; a required one
 * has no default, and one that throws denies or hides.
 */

/** Who asks. A host may add what its own seams need. */
export interface Actor {
  /** Stable over sessions, 1 to 200 characters. */
  readonly id: string;
  /** As pages show them; the id when left out. */
  readonly label?: string;
}

/** The name that the audit holds to account for a change. */
export interface Principal {
  /** Whom the audit names: 1 to 200 characters that stay the same. */
  readonly id: string;
  /** Such as `user` or `service_account`. */
  readonly type: string;
  /** As the audit shows it; the id when left out. */
  readonly label?: string;
}

/** What can be asked for. */
export const PERMISSIONS = [
  "view_overview",
  "view_jobs",
  "view_job_detail",
  "view_queues",
  "view_limiters",
  "view_cron",
  "view_forensics",
  "view_audit",
  "retry_job",
  "cancel_job",
  "discard_job",
  "pause_cron_entry",
  "resume_cron_entry",
  "run_cron_entry",
  "pause_queue",
  "resume_queue",
  "scale_queue",
  "cool_down_limiter",
  "clear_limiter_cooldown",
  "scale_limiter",
] as const;
/** One of {@linkcode PERMISSIONS}. */
export type Permission = typeof PERMISSIONS[number];

/** The kinds of thing that a permission, a preview or an audit event is about. */
export const RESOURCE_TYPES = [
  "page",
  "job",
  "queue",
  "cron_entry",
  "limiter",
] as const;
/** One of {@linkcode RESOURCE_TYPES}. */
export type ResourceType = typeof RESOURCE_TYPES[number];

/** The same shape at button, preview, execution and API. */
export interface ResourceRef {
  /** What kind of thing it is. */
  readonly type: ResourceType;
  /** Its name or id, as text; of a page what it shows, such as `audit`. */
  readonly id: string;
}

/**
 * Who sent this request; `null` if nobody did.
 *
 * @throws Whatever the host likes: it counts as nobody.
 */
export type CurrentActor = (
  request: Request,
) => Actor | null | Promise<Actor | null>;

/**
 * Answers `true` if `actor` may use `permission` on `resource`. Any other
 * answer, and an exception, means no.
 */
export type Authorize = (
  actor: Actor,
  permission: Permission,
  resource: ResourceRef,
) => boolean | Promise<boolean>;

/**
 * The name under which the audit records `actor`. It is another question than
 * permission: who is allowed but has no name can change nothing.
 */
export type AuditPrincipal = (actor: Actor) => Principal | null;

/** The three answers that pages and operator commands need. */
export interface Auth {
  /** Who sends a request. */
  readonly currentActor: CurrentActor;
  /** Whether they may. */
  readonly authorize: Authorize;
  /** Under which name it is recorded. */
  readonly auditPrincipal: AuditPrincipal;
  /** What somebody who is not signed in gets instead of our 403 page. */
  readonly onUnauthenticated?: (request: Request) => Response;
}

/** The kinds of value that a display policy is asked about. */
export const DISPLAY_KINDS = [
  /** Names that people chose: queues, workers, cron entries, tags, expressions. */
  "name",
  /** The label of an actor or principal. */
  "actor",
  /** The words an operator gave as reason. */
  "reason",
  "args",
  "meta",
  "error",
  "output",
  /** What a preview says was before and will be after. */
  "snapshot",
] as const;
/** One of {@linkcode DISPLAY_KINDS}. */
export type DisplayKind = typeof DISPLAY_KINDS[number];

/** An error, as a display policy is asked about it. */
export interface DisplayedError {
  /** As it was thrown, or without its values where errors are grouped. */
  readonly message: string;
  /** The first frame of the host's own code; `null` where a page shows none. */
  readonly topFrame: string | null;
  /** `null` where a page shows none. */
  readonly stack: string | null;
}

/**
 * How a value may be shown to `actor`.
 *
 * Each kind of value has one shape, wherever it is shown:
 *
 * - `name`: a string.
 * - `actor`: the id as a string, or an object with `id` and, where it is known,
 *   `label`. Such an object is shown by its label, also as an answer.
 * - `reason`: a string, or `null` where nobody gave one.
 * - `args`, `meta`: an object of JSON; the key of a limiter is asked about as
 *   the args in which it stands, as text: `{ customer: "7" }`; `output`: any value of JSON.
 * - `error`: a {@linkcode DisplayedError}. An answer of the same shape is shown
 *   in its parts; a string is shown as the message, without place and stack.
 * - `snapshot`: an object of JSON, what a thing was before or after a change.
 *
 * @returns Text to print as it is; another value to print as structure; or
 * `null` to keep our default: names, labels and reasons as they are, args, meta,
 * outputs and snapshots as structure only, keys and types without values, and of
 * errors nothing but that there was one.
 * When it throws, or answers with something that can not be printed, the value
 * is hidden.
 */
export type DisplayPolicy = (
  kind: DisplayKind,
  value: unknown,
  context: { readonly actor: Actor; readonly resource: ResourceRef },
) => unknown;

/**
 * Whether a page may decrypt the args and the output of a job, or the args of a
 * cron entry, for `actor`. Only `true` means yes: any other answer, and an
 * exception, means no. What is decrypted still goes through the display policy,
 * as any args and any output.
 */
export type Reveal = (
  actor: Actor,
  resource: ResourceRef,
) => boolean | Promise<boolean>;

/** What a host is told when an incident or a change may need its own people. */
export interface EscalationFacts {
  /** What happened, as a word. */
  readonly event: string;
  /** To what. */
  readonly resource: ResourceRef;
  /** Plain values; never args, meta or the text of an error. */
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
}

/** Hands facts to the host's own escalation. We claim nothing about delivery. */
export type Escalation = (
  facts: EscalationFacts,
  signal: AbortSignal,
) => void | Promise<void>;

/** What a host puts around our pages. All of it is text; none of it is markup. */
export interface Layout {
  /** The host's name, shown beside ours. At most 40 characters. */
  readonly title?: string;
  /** Such as `production`. At most 24 characters. */
  readonly environment?: string;
  /** Where the host's own pages are: a path on this origin. */
  readonly homeHref?: string;
  /** Where a person signs out, by POST: a path on this origin. */
  readonly signOutHref?: string;
}

/** The host's own instructions for a thing that needs attention. */
export type Runbook = (
  resource: ResourceRef,
  diagnosis: string,
) => { readonly label: string; readonly href: string } | null;
