import type { LimiterStanding } from "../../store/limiter_blockers.ts";
import type { LimiterStatus } from "../../store/limiter_status.ts";
import type { PartitionCooldown } from "../../store/limiters.ts";
import {
  limiterActions,
  type LimiterRights,
  maysNothing,
} from "../components/limiter_actions.ts";
import {
  limiterHistory,
  limiterThenAndNow,
} from "../components/limiter_history.ts";
import {
  type LimiterPageContext,
  limiterResource,
  limiterRule,
  shownKey,
  useBar,
} from "../components/limiter_rows.ts";
import {
  limiterHolders,
  limiterLines,
  type LinesView,
} from "../components/limiter_waiting.ts";
import { limiterKeyVerdict } from "../components/limiter_verdict.ts";
import { panel, readOnlyBanner } from "../components/panel.ts";
import { definitions } from "../components/table.ts";
import { timeBoth } from "../components/time.ts";
import type { LimiterEvidence } from "../limiter_reading.ts";
import type { Sealed } from "../sealed.ts";
import { type Href, html, type Markup, text } from "../render.ts";

/** What the page of one key of a limiter shows. */
export interface LimiterKeyPage {
  readonly status: LimiterStatus;
  readonly standing: LimiterStanding;
  /** Its key, as forms carry it. */
  readonly sealed: Sealed;
  /** At this moment. */
  readonly used: number;
  /** Of this key alone. */
  readonly cooldown: PartitionCooldown | null;
  readonly lines: LinesView;
  readonly evidence: LimiterEvidence;
  readonly may: LimiterRights;
  readonly here: Href;
}

/** One key: how much of it is used, who waits and who holds it. */
export function limiterKeyPage(
  page: LimiterKeyPage,
  context: LimiterPageContext,
): Markup {
  const { status, standing } = page;
  const { limiter } = status;
  const { show, paths } = context;
  const name = show("name", limiter.name, limiterResource(limiter.name));
  const title = standing.key === ""
    ? text`Jobs without a key`
    : html`Key <bdi>${shownKey(limiter, { key: standing.key, show })}</bdi>`;
  return html`
    <header class="page-head">
      <div>
        <p
          class="crumbs"><a href="${paths
            .limiters()}">Limiters</a> · <a href="${paths
            .limiter(limiter.name)}">${name}</a></p>
        <h1>${title}</h1>
      </div>
    </header>
    ${limiterKeyLive(page, context)}
  `;
}

/** The part of the page that refreshes itself. */
export function limiterKeyLive(
  page: LimiterKeyPage,
  context: LimiterPageContext,
): Markup {
  const { status, lines, evidence, here } = page;
  const placed = { ...context, limiter: status.limiter };
  const { compared, holders, facts } = evidence;
  return html`
    <div class="stack" id="limiter-key-live" hx-get="${here}"
      hx-trigger="every 5s" hx-swap="outerMorph">
      ${limiterKeyVerdict(page, context)} ${actions(page, context)}
      ${state(page, context)}
      ${limiterLines(lines, placed)}
      ${limiterHolders(holders, placed)}
      ${compared && limiterThenAndNow(compared, placed)}
      ${limiterHistory(facts, placed)}
    </div>
  `;
}

/** Of jobs without a key there is none to cool down. */
function actions(
  { status, standing, sealed, cooldown, may }: LimiterKeyPage,
  context: LimiterPageContext,
): Markup | null {
  if (maysNothing(may)) {
    return readOnlyBanner(
      text`You may look at limiters, and not change them.`,
    );
  }
  const key = { sealed, isCooling: cooldown !== null };
  return standing.key === ""
    ? null
    : limiterActions({ status, may, key }, context);
}

function state(page: LimiterKeyPage, context: LimiterPageContext): Markup {
  const { status, used, standing, cooldown } = page;
  const { show, now } = context;
  const resource = limiterResource(status.limiter.name);
  const all = status.limiter.cooldownUntil;
  const own = cooldown === null
    ? html`<span class="muted">None</span>`
    : html`<span>Ends ${timeBoth(cooldown.until, now)}, by ${
      show("actor", cooldown.by, resource)
    }: ${show("reason", cooldown.reason, resource)}</span>`;
  return panel({
    id: text`state`,
    title: text`How it stands`,
    body: definitions([
      [text`Lets pass`, limiterRule(status)],
      [text`Use`, useBar(used, standing.capacity)],
      [text`Cooldown of this key`, own],
      [
        text`Cooldown of all keys`,
        all === null
          ? html`<span class="muted">None</span>`
          : html`<span>Ends ${timeBoth(all, now)}</span>`,
      ],
    ]),
  });
}
