import { type Action, ACTION_POLICIES, ACTIONS } from "../domain/action.ts";

/** Why a command did nothing. A new one does not compile until it is answered. */
export const REFUSALS = [
  "anonymous",
  "not_allowed",
  "not_attributable",
  "not_found",
  /** Unknown, malformed, or of somebody else: these are never told apart. */
  "preview_spent",
  "preview_consumed",
  "preview_expired",
  "preview_drifted",
  "preview_withdrawn",
  "wrong_state",
  /** It would come back beside another job that may only be there once. */
  "unique_key_held",
  "reason_required",
  "reason_too_short",
  "reason_too_long",
  "unknown_action",
  "invalid_input",
] as const;
/** One of {@linkcode REFUSALS}. */
export type Refusal = typeof REFUSALS[number];

/** What can be done instead, besides another action. */
export type PlainStep =
  | "sign_in"
  | "ask_for_permission"
  | "ask_for_principal"
  | "reload"
  | "create_preview"
  | "see_audit"
  | "give_reason"
  | "shorten_reason"
  | "correct_input"
  | "see_holder";
/** What can be done instead: a plain step, or an action that is legal now. */
export type RefusalStep = PlainStep | Action;

/** A command that did nothing, why, and what is possible now. */
export interface Refused {
  /** Nothing was done. What was done has `true` here. */
  readonly ok: false;
  /** Why, as a code that stays: for a program to tell cases apart. */
  readonly refusal: Refusal;
  /** A sentence for the person who asked. */
  readonly message: string;
  /**
   * What may be tried instead, the most likely first; empty if nothing helps.
   */
  readonly legalNextSteps: readonly RefusalStep[];
}

/** The sentence and the steps of each refusal. */
const ANSWERS = {
  anonymous: ["Nobody is signed in.", "sign_in"],
  not_allowed: ["You may not do this.", "ask_for_permission"],
  not_attributable: [
    "You may do this, but the audit has no name for you, so nothing was done.",
    "ask_for_principal",
  ],
  not_found: ["It does not exist, or no longer.", "reload"],
  preview_spent: [
    "This preview does not exist, or no longer, or is not yours.",
    "create_preview",
  ],
  preview_consumed: [
    "This preview was already executed. It can be executed once.",
    "see_audit",
    "create_preview",
  ],
  preview_expired: [
    "This preview has expired. Nothing was done.",
    "create_preview",
  ],
  preview_drifted: [
    "It changed after the preview. Nothing was done.",
    "create_preview",
  ],
  preview_withdrawn: [
    "This preview was withdrawn. Nothing was done.",
    "create_preview",
  ],
  wrong_state: ["It is not in a state that allows this.", "reload"],
  unique_key_held: [
    "Another job holds its unique key. Nothing was done.",
    "see_holder",
    "reload",
  ],
  reason_required: ["Say why: this needs a reason.", "give_reason"],
  reason_too_short: ["The reason is too short.", "give_reason"],
  reason_too_long: ["The reason is too long.", "shorten_reason"],
  unknown_action: ["There is no such action.", "correct_input"],
  invalid_input: ["This can not be read.", "correct_input"],
} as const satisfies Record<Refusal, readonly [string, ...RefusalStep[]]>;

/**
 * A refusal with its own sentence and steps, or with more exact ones.
 *
 * @param exact What is known beyond the refusal, such as the state it is in.
 */
export function refused(
  refusal: Refusal,
  exact: {
    readonly message?: string;
    readonly legalNextSteps?: readonly RefusalStep[];
  } = {},
): Refused {
  const [message, ...legalNextSteps] = ANSWERS[refusal];
  return {
    ok: false,
    refusal,
    message: exact.message ?? message,
    legalNextSteps: exact.legalNextSteps ?? legalNextSteps,
  };
}

const PLAIN_LABELS: Readonly<Record<PlainStep, string>> = {
  sign_in: "Sign in",
  ask_for_permission: "Ask who runs this installation for the permission",
  ask_for_principal: "Ask who runs this installation for a name in the audit",
  reload: "Look again",
  create_preview: "Make a fresh preview",
  see_audit: "See what it did in the audit",
  give_reason: "Give a reason",
  shorten_reason: "Shorten the reason",
  correct_input: "Correct what was sent",
  see_holder:
    "Wait until the job that holds the key has ended, or cancel that one",
};

/** Says a step in words. One that we do not know is said as it is stored. */
export function nextStepLabel(step: string): string {
  if (isPlain(step)) return PLAIN_LABELS[step];
  const action = ACTIONS.find((known) => known === step);
  return action === undefined ? step : ACTION_POLICIES[action].label;
}

function isPlain(step: string): step is PlainStep {
  return Object.hasOwn(PLAIN_LABELS, step);
}
