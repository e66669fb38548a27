/** What can be done to a limiter, or to one key of it: each by a preview. */
import type { LimiterStatus } from "../../store/limiter_status.ts";
import type { Sealed } from "../sealed.ts";
import { echo, html, type Markup, type Plain, text } from "../render.ts";
import { previewButton } from "./form.ts";
import type { LimiterContext } from "./limiter_rows.ts";
import { spanText } from "./time.ts";

/** Which of them the actor may. */
export type LimiterRights = Readonly<
  Record<
    "cool_down_limiter" | "clear_limiter_cooldown" | "scale_limiter",
    boolean
  >
>;

/** What the actions are about. */
export interface LimiterSubject {
  readonly status: LimiterStatus;
  readonly may: LimiterRights;
  /** One key, sealed, with whether it cools down; null: the whole limiter. */
  readonly key: { readonly sealed: Sealed; readonly isCooling: boolean } | null;
}

/** Whether the actor may only look. */
export function maysNothing(may: LimiterRights): boolean {
  return Object.values(may).every((yes) => !yes);
}

/** The forms that open the previews. */
export function limiterActions(
  subject: LimiterSubject,
  context: LimiterContext,
): Markup {
  const { status: { limiter }, may, key } = subject;
  return html`
    <div class="actions">
      ${coolDown(subject, context)} ${endCooldown(subject, context)}
      ${key !== null ? null : previewButton({
        action: "scale_limiter",
        targetId: limiter.name,
        label: text`Change capacity…`,
        disabled: needs(may.scale_limiter, text`needs scale_limiter`),
        field: html`
          <label
            class="inline-field">Capacity <input id="new-capacity" type="number" name="param_capacity" min="1" max="1000000" value="${limiter
              .chosenCapacity}" placeholder="${limiter
              .declaredCapacity}, as declared"></label>
        `,
      }, context)}
    </div>
  `;
}

const MINUTE_MS = 60_000;
/** How long an operator cools something down; code may say any other span. */
const SPANS_MS = [1, 5, 15, 60, 360, 1_440, 10_080].map((minutes) =>
  minutes * MINUTE_MS
);

function coolDown(
  { status, may, key }: LimiterSubject,
  context: LimiterContext,
): Markup {
  const { limiter } = status;
  const isCooling = key === null
    ? limiter.cooldownUntil !== null
    : key.isCooling;
  return previewButton({
    action: "cool_down_limiter",
    targetId: limiter.name,
    // Another one takes the place of the one that is on.
    label: isCooling ? text`Set cooldown anew…` : text`Cool down…`,
    disabled: needs(may.cool_down_limiter, text`needs cool_down_limiter`),
    field: html`
      ${keyField({ status, key, id: text`cool-key` })}<label
        class="inline-field">For <select id="cool-for" name="param_forMs">${SPANS_MS
          .map((
            ms,
          ) =>
            html`<option value="${ms}">${spanText(ms)}</option>`
          )}</select></label>
    `,
  }, context);
}

function endCooldown(
  { status, may, key }: LimiterSubject,
  context: LimiterContext,
): Markup {
  const { limiter, coolingKeys } = status;
  const isCool = key === null
    ? limiter.cooldownUntil === null && coolingKeys === 0
    : !key.isCooling;
  return previewButton({
    action: "clear_limiter_cooldown",
    targetId: limiter.name,
    label: text`End cooldown…`,
    disabled: isCool ? text`it does not cool down` : needs(
      may.clear_limiter_cooldown,
      text`needs clear_limiter_cooldown`,
    ),
    field: keyField({ status, key, id: text`end-key` }),
  }, context);
}

/** The ids keep what was typed where it is, when the page refreshes itself. */
function keyField(
  { status, key, id }: Pick<LimiterSubject, "status" | "key"> & {
    readonly id: Plain;
  },
): Markup | null {
  if (key !== null) {
    return html`<input type="hidden" name="param_sealedKey" value="${
      echo(key.sealed)
    }">`;
  }
  if (status.limiter.partitionBy === null) return null;
  return html`
    <label
      class="inline-field">Key, or blank for all <input id="${id}" type="text" name="param_key" maxlength="200"></label>
  `;
}

function needs(may: boolean, why: Plain): Plain | null {
  return may ? null : why;
}
