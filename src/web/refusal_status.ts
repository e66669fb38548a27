import type { Refusal } from "../control/refusal.ts";

/** The HTTP status of each refusal; a new refusal does not compile without. */
export const REFUSAL_STATUS = {
  anonymous: 403,
  not_allowed: 403,
  not_attributable: 403,
  not_found: 404,
  preview_spent: 404,
  preview_consumed: 409,
  preview_expired: 410,
  preview_drifted: 409,
  preview_withdrawn: 410,
  wrong_state: 409,
  unique_key_held: 409,
  reason_required: 422,
  reason_too_short: 422,
  reason_too_long: 422,
  unknown_action: 400,
  invalid_input: 422,
} as const satisfies Record<Refusal, number>;
