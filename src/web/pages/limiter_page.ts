import type { LimiterFact } from "../../store/limiter_blockers.ts";
import {
  BUSY_KEYS_MAX,
  type BusyKey,
  type LimiterStatus,
} from "../../store/limiter_status.ts";
import { previewButton } from "../components/form.ts";
import {
  busyKeyTable,
  heldBack,
  type LimiterContext,
  limiterCooldown,
  limiterFactTable,
  limiterResource,
  limiterRule,
  limiterUse,
  limiterWorkers,
} from "../components/limiter_rows.ts";
import { emptyState, panel, readOnlyBanner } from "../components/panel.ts";
import { definitions } from "../components/table.ts";
import { timeBoth } from "../components/time.ts";
import { html, type Markup, type Plain, text } from "../render.ts";

/** What the page of one limiter shows. */
export interface LimiterPage {
  readonly status: LimiterStatus;
  readonly keys: readonly BusyKey[];
  readonly facts: readonly LimiterFact[];
  readonly may: Readonly<
    Record<
      "cool_down_limiter" | "clear_limiter_cooldown" | "scale_limiter",
      boolean
    >
  >;
}

/** One limiter: how it stands, what it holds back, and what can be done. */
export function limiterPage(
  page: LimiterPage,
  context: LimiterContext,
): Markup {
  const { name } = page.status.limiter;
  const { show, paths } = context;
  const readOnly = Object.values(page.may).every((yes) => !yes);
  return html`
    <header class="page-head">
      <div>
        <p class="crumbs"><a href="${paths.limiters()}">Limiters</a></p>
        <h1>${show("name", name, limiterResource(name))}</h1>
      </div>
    </header>
    ${readOnly
      ? readOnlyBanner(text`You may look at limiters, and not change them.`)
      : actions(page, context)} ${limiterLive(page, context)}
  `;
}

/** The part of the page that refreshes itself. */
export function limiterLive(
  page: LimiterPage,
  context: LimiterContext,
): Markup {
  const { limiter } = page.status;
  return html`
    <div class="stack" id="limiter-live" hx-get="${context.paths.limiter(
      limiter.name,
    )}" hx-trigger="every 5s"
      hx-swap="outerMorph">
      ${state(page, context)} ${keys(page, context)} ${history(page, context)}
    </div>
  `;
}

function state({ status }: LimiterPage, context: LimiterContext): Markup {
  const { limiter } = status;
  const { at, declaredAt, chosenBy, chosenAt } = limiter;
  const chosen = chosenBy === null
    ? html`<span class="muted">Nobody</span>`
    : html`${context.show("actor", chosenBy, limiterResource(limiter.name))} ${
      timeBoth(chosenAt, context.now)
    }`;
  return panel({
    id: text`state`,
    title: text`How it stands`,
    body: definitions([
      [text`Lets pass`, limiterRule(status)],
      [text`Capacity chosen by`, chosen],
      [text`Declared`, timeBoth(declaredAt, context.now)],
      [
        text`Where`,
        at === "dispatch"
          ? text`At dispatch: jobs wait`
          : text`At enqueue: jobs are refused`,
      ],
      [text`Use`, limiterUse(status)],
      [text`Holds back`, heldBack(status)],
      [text`Cooldown`, limiterCooldown(status, context)],
      [text`Workers`, limiterWorkers(status, context)],
    ]),
  });
}

function keys(page: LimiterPage, context: LimiterContext): Markup {
  const { status } = page;
  const aside = page.keys.length === BUSY_KEYS_MAX
    ? text`the first ${BUSY_KEYS_MAX}`
    : null;
  return panel({
    id: text`keys`,
    title: text`What holds jobs back`,
    aside,
    body: page.keys.length === 0
      ? emptyState({
        title: text`Nothing is held back`,
        body: text`Jobs that come may start, as far as it is known here.`,
      })
      : busyKeyTable(page.keys, { status, context }),
  });
}

function history(page: LimiterPage, context: LimiterContext): Markup {
  const { name } = page.status.limiter;
  return panel({
    id: text`history`,
    title: text`History`,
    body: page.facts.length === 0
      ? emptyState({
        title: text`Nothing is on record`,
        body: text`It was never full, and nobody changed it.`,
      })
      : limiterFactTable(page.facts, { name, context }),
  });
}

function actions(
  { status, may }: LimiterPage,
  context: LimiterContext,
): Markup {
  const { limiter, coolingKeys } = status;
  const targetId = limiter.name;
  const isKeyed = limiter.partitionBy !== null;
  const key = isKeyed
    ? html`
      <label
        class="inline-field">Key, or blank for all <input type="text" name="param_key" maxlength="200"></label>
    `
    : null;
  const isCool = limiter.cooldownUntil === null && coolingKeys === 0;
  const capacity = html`
    <label
      class="inline-field">Capacity <input type="number" name="param_capacity" min="1" max="1000000" value="${limiter
        .chosenCapacity}"></label>
  `;
  return html`
    <div class="actions">
      ${previewButton({
        action: "cool_down_limiter",
        targetId,
        label: text`Cool down…`,
        disabled: needs(may.cool_down_limiter, text`needs cool_down_limiter`),
        field: html`
          ${key}<label
            class="inline-field">Milliseconds <input type="number" name="param_forMs" min="1" max="2678400000" value="60000"></label>
        `,
      }, context)}
      ${previewButton({
        action: "clear_limiter_cooldown",
        targetId,
        label: text`End cooldown…`,
        disabled: isCool ? text`it does not cool down` : needs(
          may.clear_limiter_cooldown,
          text`needs clear_limiter_cooldown`,
        ),
        field: key,
      }, context)}
      ${previewButton({
        action: "scale_limiter",
        targetId,
        label: text`Change capacity…`,
        disabled: needs(may.scale_limiter, text`needs scale_limiter`),
        field: capacity,
      }, context)}
    </div>
  `;
}

function needs(may: boolean, why: Plain): Plain | null {
  return may ? null : why;
}
