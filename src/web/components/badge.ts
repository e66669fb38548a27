import {
  CONTROL_STATUS_LABELS,
  type ControlStatus,
} from "../../domain/diagnosis.ts";
import type { JobState } from "../../domain/state.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup, type Plain, type Shown } from "../render.ts";
import { type Icon, icon } from "./icon.ts";

/** A colour that means something; there is always a word and a picture too. */
export type Tone =
  | "scheduled"
  | "ready"
  | "executing"
  | "retryable"
  | "waiting"
  | "good"
  | "bad"
  | "quiet";

/** A word with a picture and a tone. */
export function badge(
  { tone, icon: name, label }: {
    readonly tone: Tone;
    readonly icon: Icon;
    readonly label: Plain | Shown | Markup;
  },
  paths: Paths,
): Markup {
  return html`
    <span class="badge"
      data-tone="${tone}">${icon(name, paths)}<span>${label}</span></span>
  `;
}

const STATES = {
  suspended: ["waiting", "pause", "suspended"],
  scheduled: ["scheduled", "clock", "scheduled"],
  available: ["ready", "ring", "available"],
  executing: ["executing", "play", "executing"],
  retryable: ["retryable", "loop", "retryable"],
  completed: ["good", "check", "completed"],
  cancelled: ["quiet", "slash", "cancelled"],
  discarded: ["bad", "cross", "discarded"],
} as const satisfies Record<JobState, readonly [Tone, Icon, string]>;

/** The state of a job. */
export function stateBadge(state: JobState, paths: Paths): Markup {
  const [tone, picture, word] = STATES[state];
  return badge({ tone, icon: picture, label: html`${word}` }, paths);
}

const STATUSES = {
  needs_review: ["bad", "eye"],
  blocked: ["retryable", "block"],
  waiting: ["waiting", "clock"],
  runnable: ["ready", "play"],
  resolved: ["good", "check"],
  bridge_only: ["quiet", "bridge"],
} as const satisfies Record<ControlStatus, readonly [Tone, Icon]>;

/** What the control plane says about something. */
export function statusChip(status: ControlStatus, paths: Paths): Markup {
  const [tone, picture] = STATUSES[status];
  const label = html`${CONTROL_STATUS_LABELS[status]}`;
  return badge({ tone, icon: picture, label }, paths);
}

/** Tone of a status, for what is not a chip. */
export function statusTone(status: ControlStatus): Tone {
  return STATUSES[status][0];
}

/** Picture of a status, for what is not a chip. */
export function statusIcon(status: ControlStatus): Icon {
  return STATUSES[status][1];
}

/** Who owns the next step. */
export type Ownership = "native" | "bridge" | "host";
/** What one can do there. */
export type Posture = "audited" | "inspection" | "host" | "continuity";

const OWNERS = {
  native: ["ready", "check", "Yardmaster-native"],
  bridge: ["quiet", "bridge", "Read-only bridge"],
  host: ["quiet", "host", "host-owned follow-up"],
} as const satisfies Record<Ownership, readonly [Tone, Icon, string]>;

const POSTURES = {
  audited: ["executing", "audit", "Audited action"],
  inspection: ["quiet", "eye", "Inspection only"],
  host: ["quiet", "host", "Host-owned"],
  continuity: ["quiet", "forensics", "Continuity evidence"],
} as const satisfies Record<Posture, readonly [Tone, Icon, string]>;

/** Says whose page or procedure comes next. */
export function ownershipBadge(ownership: Ownership, paths: Paths): Markup {
  const [, picture, word] = OWNERS[ownership];
  return badge({ tone: "quiet", icon: picture, label: html`${word}` }, paths);
}

/** Says what can be done there. */
export function postureBadge(posture: Posture, paths: Paths): Markup {
  const [, picture, word] = POSTURES[posture];
  return badge({ tone: "quiet", icon: picture, label: html`${word}` }, paths);
}
