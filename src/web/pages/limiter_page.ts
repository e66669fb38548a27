import type { LimiterStatus } from "../../store/limiter_status.ts";
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
  limiterPartitions,
  partitionSearch,
  type PartitionsView,
} from "../components/limiter_partitions.ts";
import {
  heldBack,
  limiterCooldown,
  type LimiterPageContext,
  limiterResource,
  limiterRule,
  limiterUse,
  limiterWorkers,
} from "../components/limiter_rows.ts";
import {
  limiterHolders,
  limiterLines,
  type LinesView,
} from "../components/limiter_waiting.ts";
import { limiterVerdict } from "../components/limiter_verdict.ts";
import { panel, readOnlyBanner } from "../components/panel.ts";
import { definitions } from "../components/table.ts";
import { timeBoth } from "../components/time.ts";
import type { LimiterEvidence } from "../limiter_reading.ts";
import { type Href, html, type Markup, text } from "../render.ts";

/** What the page of one limiter shows. */
export interface LimiterPage {
  readonly status: LimiterStatus;
  /** Null: it has no keys. */
  readonly partitions: PartitionsView | null;
  readonly lines: LinesView;
  readonly evidence: LimiterEvidence;
  readonly may: LimiterRights;
  /** This page, as it refreshes itself. */
  readonly here: Href;
  readonly mayOpenForensics: boolean;
}

/** One limiter: how it stands, what it holds back, and what can be done. */
export function limiterPage(
  page: LimiterPage,
  context: LimiterPageContext,
): Markup {
  const { name } = page.status.limiter;
  const { show, paths } = context;
  const selectors = { resource_type: "limiter", resource_id: name };
  const forensics = page.mayOpenForensics
    ? html`
      <p
        class="actions"><a class="button" data-variant="quiet" href="${paths
          .forensics(selectors)}">Forensics</a></p>
    `
    : null;
  return html`
    <header class="page-head">
      <div>
        <p class="crumbs"><a href="${paths.limiters()}">Limiters</a></p>
        <h1>${show("name", name, limiterResource(name))}</h1>
      </div>
      ${forensics}
    </header>
    ${limiterLive(page, context)}
  `;
}

/** The part of the page that refreshes itself. */
export function limiterLive(
  page: LimiterPage,
  context: LimiterPageContext,
): Markup {
  const { status, partitions, lines, evidence, here, may } = page;
  const { paths } = context;
  const { limiter } = status;
  const placed = { ...context, limiter };
  const { compared, holders, facts } = evidence;
  return html`
    <div class="stack" id="limiter-live" hx-get="${here}" hx-trigger="every 5s"
      hx-swap="outerMorph">
      ${limiterVerdict(status, context)}
      ${maysNothing(may)
        ? readOnlyBanner(text`You may look at limiters, and not change them.`)
        : limiterActions({ status, may, key: null }, context)}
      ${state(page, context)}
      ${partitions && partitionSearch({
        action: paths.limiterSearches(limiter.name),
        found: partitions.found,
        clear: paths.limiter(limiter.name),
      }, context)}
      ${partitions && limiterPartitions(partitions, { status, context })}
      ${limiterLines(lines, placed)} ${limiterHolders(holders, placed)}
      ${compared && limiterThenAndNow(compared, placed)}
      ${limiterHistory(facts, placed)}
    </div>
  `;
}

function state(
  { status }: LimiterPage,
  context: LimiterPageContext,
): Markup {
  const { limiter } = status;
  const { at, declaredAt, declaredCapacity, chosenBy, chosenAt } = limiter;
  const chosen = chosenBy === null
    ? html`<span class="muted">Nobody</span>`
    : html`<span>${
      context.show("actor", chosenBy, limiterResource(limiter.name))
    } ${timeBoth(chosenAt, context.now)}</span>`;
  return panel({
    id: text`state`,
    title: text`How it stands`,
    body: definitions([
      [text`Holds back`, heldBack(status)],
      [text`Use`, limiterUse(status)],
      [text`Cooldown`, limiterCooldown(status, context)],
      [text`Lets pass`, limiterRule(status)],
      [text`Declared capacity`, declaredCapacity],
      [text`Capacity chosen by`, chosen],
      [text`Declared`, timeBoth(declaredAt, context.now)],
      [
        text`Where`,
        at === "dispatch"
          ? text`At dispatch: jobs wait`
          : text`At enqueue: jobs are refused`,
      ],
      [text`Workers`, limiterWorkers(status, context)],
    ]),
  });
}
