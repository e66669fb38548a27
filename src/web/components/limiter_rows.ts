import type { ResourceRef } from "../../seams.ts";
import { keyAsArgs } from "../../domain/limiter_key.ts";
import {
  LANES_COUNT_MAX,
  type LimiterStatus,
} from "../../store/limiter_status.ts";
import type { LimiterRow } from "../../store/limiters.ts";
import type { Paths } from "../paths.ts";
import type { LinkTo } from "../links.ts";
import {
  html,
  type Markup,
  type Plain,
  type Show,
  type Shown,
  text,
} from "../render.ts";
import { countOf } from "./count.ts";
import { type Column, dataTable, tableRow } from "./table.ts";
import { spanText, timeAgo } from "./time.ts";

/** What the page of a limiter is printed with: it leads to jobs and queues. */
export interface LimiterPageContext extends LimiterContext {
  readonly linkTo: LinkTo;
}

/** What a limiter is printed with. */
export interface LimiterContext {
  readonly show: Show;
  readonly paths: Paths;
  readonly now: Date;
  readonly formToken: Plain;
}

const COLUMNS: readonly Column[] = [
  { label: text`Limiter` },
  { label: text`Lets pass` },
  { label: text`Use` },
  { label: text`Holds back` },
  { label: text`Cooldown` },
  { label: text`Workers` },
];

/** All limiters, in a table. */
export function limiterTable(
  limiters: readonly LimiterStatus[],
  context: LimiterContext,
): Markup {
  return dataTable({
    caption: text`Limiters`,
    columns: COLUMNS,
    rows: limiters.map((status) => {
      const { name } = status.limiter;
      const { show, paths } = context;
      return tableRow({
        columns: COLUMNS,
        cells: [
          html`<a href="${paths.limiter(name)}">${
            show("name", name, limiterResource(name))
          }</a>`,
          limiterRule(status),
          limiterUse(status),
          heldBack(status),
          limiterCooldown(status, context),
          limiterWorkers(status, context),
        ],
      });
    }),
  });
}

/** A limiter, as display policies and permissions are asked about it. */
export function limiterResource(name: string): ResourceRef {
  return { type: "limiter", id: name };
}

/** How much it lets pass, and who said so. */
export function limiterRule({ limiter, capacity }: LimiterStatus): Markup {
  const { kind, perMs, chosenCapacity, declaredCapacity, partitionBy } =
    limiter;
  const each = partitionBy === null ? null : text` for each key`;
  const rule = perMs === null
    ? html`${capacity} at a time${each}`
    : html`${capacity} in ${spanText(perMs)}${each}, ${
      kind === "token_bucket" ? text`refilled evenly` : text`in fixed windows`
    }`;
  return chosenCapacity === null
    ? rule
    : html`${rule} <span class="muted">chosen; ${declaredCapacity} declared</span>`;
}

/** A bar of what is used; keys have bars of their own. */
export function limiterUse({ used, capacity }: LimiterStatus): Markup {
  return used === null
    ? html`<span class="muted">By key</span>`
    : useBar(used, capacity);
}

const BAR = 96;

/** How much is used, as a bar and in words. */
export function useBar(used: number, capacity: number): Markup {
  const whole = wholeUse(used);
  const share = Math.min(whole / capacity, 1);
  const width = Math.round(BAR * share);
  const fill = share === 1 ? "full" : "some";
  return html`
    <span class="use"><svg class="bar" width="${BAR}" height="8"
      viewBox="0 0 ${BAR} 8" aria-hidden="true" data-fill="${fill}"><rect
        class="bar-track" width="${BAR}" height="8" rx="2" /><rect
        class="bar-used" width="${width}" height="8" rx="2" /></svg> ${whole} of ${capacity}</span>
  `;
}

/** What refills counts in fractions; nobody takes a part of a job. */
export function wholeUse(used: number): number {
  return Math.max(Math.ceil(used - 1e-6), 0);
}

/** A key, as far as the display policy shows that part of the args. */
export function shownKey(
  { name, partitionBy }: Pick<LimiterRow, "name" | "partitionBy">,
  { key, show }: { readonly key: string; readonly show: Show },
): Shown | Plain {
  if (partitionBy === null) return text`All jobs`;
  if (key === "") return text`No key`;
  return show.part("args", keyAsArgs(partitionBy, key), limiterResource(name));
}

/** How much waits for it at this moment. */
export function heldBack({ lanes }: LimiterStatus): Markup {
  if (lanes === 0) return html`<span class="muted">Nothing</span>`;
  const capped = lanes >= LANES_COUNT_MAX;
  const words = [text`line of jobs`, text`lines of jobs`] as const;
  return html`${countOf({ count: lanes, capped }, words)}`;
}

/** Until when nothing starts. */
export function limiterCooldown(
  { limiter, coolingKeys }: LimiterStatus,
  { show, now }: LimiterContext,
): Markup {
  const { cooldownUntil, cooldownReason, cooldownBy, name } = limiter;
  const resource = limiterResource(name);
  if (cooldownUntil !== null) {
    // One element: a cell of a narrow table is a grid, and would part them.
    return html`<span>Ends ${timeAgo(cooldownUntil, now)}, by ${
      show("actor", cooldownBy ?? "", resource)
    }: ${show("reason", cooldownReason, resource)}</span>`;
  }
  if (coolingKeys > 0) {
    const capped = coolingKeys >= LANES_COUNT_MAX;
    const words = [text`key`, text`keys`] as const;
    return html`${countOf({ count: coolingKeys, capped }, words)}`;
  }
  return html`<span class="muted">None</span>`;
}

/** The workers that name it. */
export function limiterWorkers(
  { workers, limiter }: LimiterStatus,
  { show }: LimiterContext,
): Markup {
  if (workers.length === 0) return html`<span class="muted">None</span>`;
  const resource = limiterResource(limiter.name);
  return html`<ul class="links">${
    workers.map((worker) => html`<li>${show("name", worker, resource)}</li>`)
  }</ul>`;
}
