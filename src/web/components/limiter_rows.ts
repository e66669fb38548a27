import type { ResourceRef } from "../../seams.ts";
import type { LimiterFact } from "../../store/limiter_blockers.ts";
import {
  type BusyKey,
  LANES_COUNT_MAX,
  type LimiterStatus,
} from "../../store/limiter_status.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup, type Plain, type Show, text } from "../render.ts";
import { countOf } from "./count.ts";
import { type Column, dataTable, tableRow } from "./table.ts";
import { spanText, timeAgo, timeBoth } from "./time.ts";

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

function useBar(used: number, capacity: number): Markup {
  // What refills counts in fractions; nobody takes a part of a job.
  const whole = Math.min(Math.ceil(used - 1e-6), capacity);
  return html`
    <span
      class="use"><meter min="0" max="${capacity}" value="${whole}">${whole} of ${capacity}</meter> ${whole} of ${capacity}</span>
  `;
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

const KEY_COLUMNS: readonly Column[] = [
  { label: text`Key` },
  { label: text`Use` },
  { label: text`Holds back` },
  { label: text`Looked at next` },
];

/** The keys that hold jobs back. What a key is, the display policy says. */
export function busyKeyTable(
  keys: readonly BusyKey[],
  { status, context }: {
    readonly status: LimiterStatus;
    readonly context: LimiterContext;
  },
): Markup {
  const { show, now } = context;
  const resource = limiterResource(status.limiter.name);
  return dataTable({
    caption: text`Keys that hold jobs back`,
    columns: KEY_COLUMNS,
    rows: keys.map(({ key, used, lanes, lookAt, cooldownUntil }) =>
      tableRow({
        columns: KEY_COLUMNS,
        cells: [
          key === "" ? text`All jobs` : show("args", key, resource),
          useBar(used, status.capacity),
          countOf({ count: lanes, capped: false }, [text`line`, text`lines`]),
          cooldownUntil !== null
            ? html`Cools down until ${timeBoth(cooldownUntil, now)}`
            : lookAt <= now
            ? text`At the next claim`
            : timeAgo(lookAt, now),
        ],
      })
    ),
  });
}

const FACT_COLUMNS: readonly Column[] = [
  { label: text`When` },
  { label: text`What` },
  { label: text`Key` },
  { label: text`By` },
];

const FACT_WORDS = {
  blocked: text`It was full, or cooled down`,
  cooled_down: text`A cooldown began`,
  cooldown_cleared: text`A cooldown was ended`,
  reconfigured: text`Code declared it anew`,
  capacity_chosen: text`An operator chose the capacity`,
} as const satisfies Record<LimiterFact["kind"], Plain>;

/** The newest of its history. */
export function limiterFactTable(
  facts: readonly LimiterFact[],
  { name, context }: {
    readonly name: string;
    readonly context: LimiterContext;
  },
): Markup {
  const { show, now } = context;
  const resource = limiterResource(name);
  return dataTable({
    caption: text`History`,
    columns: FACT_COLUMNS,
    rows: facts.map(({ at, kind, key, principal, details }) =>
      tableRow({
        columns: FACT_COLUMNS,
        cells: [
          timeBoth(at, now),
          html`${FACT_WORDS[kind]}${snapshot(details)}`,
          key === "" ? text`All` : show("args", key, resource),
          principal === null
            ? text`The engine`
            : show("actor", principal, resource),
        ],
      })
    ),
  });
}

/** What it was at that moment, in numbers. */
function snapshot(details: LimiterFact["details"]): Markup | null {
  const { used, capacity, before, after } = details;
  if (typeof used === "number" && typeof capacity === "number") {
    return html`: ${Math.ceil(used - 1e-6)} of ${capacity}`;
  }
  return typeof before === "number" && typeof after === "number"
    ? html`: ${before}, then ${after}`
    : null;
}
