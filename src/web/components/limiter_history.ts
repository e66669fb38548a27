/** What a limiter did, and when it last held a job back against how it is now. */
import type { LimiterFact } from "../../store/limiter_blockers.ts";
import type { LimiterBlocker, LimiterFactKind } from "../../domain/limiter.ts";
import type { LimiterRow } from "../../store/limiters.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import {
  type LimiterPageContext,
  limiterResource,
  shownKey,
  useBar,
} from "./limiter_rows.ts";
import { emptyState, panel } from "./panel.ts";
import { type Column, type Content, dataTable, tableRow } from "./table.ts";
import { timeBoth } from "./time.ts";

type Placed = LimiterPageContext & { readonly limiter: LimiterRow };

const FACT_COLUMNS: readonly Column[] = [
  { label: text`When` },
  { label: text`What` },
  { label: text`Cause` },
  { label: text`Key` },
  { label: text`Eligible again` },
  { label: text`By` },
];

/** What each fact of a limiter says. */
const FACT_WORDS = {
  blocked: text`It held a job back`,
  cooled_down: text`A cooldown began`,
  cooldown_cleared: text`A cooldown was ended`,
  reconfigured: text`Code declared it anew`,
  capacity_chosen: text`An operator chose the capacity`,
} as const satisfies Record<LimiterFactKind, Plain>;

/** Whether what happened was asked for by somebody, or is a matter of load. */
function causeOf(
  { kind, details }: Pick<LimiterFact, "kind" | "details">,
): "pressure" | "policy" {
  return kind === "blocked" && details["code"] !== "cooldown"
    ? "pressure"
    : "policy";
}

const CAUSES = { pressure: text`Pressure`, policy: text`Policy` } as const;

/** The newest of its history. */
export function limiterHistory(
  facts: readonly LimiterFact[],
  context: Placed,
): Markup {
  return panel({
    id: text`history`,
    title: text`History`,
    aside: facts.length === 0
      ? null
      : html`<span class="muted">newest first</span>`,
    body: facts.length === 0
      ? emptyState({
        title: text`Nothing is on record`,
        body: text`It held nothing back of late, and nobody changed it.`,
      })
      : dataTable({
        caption: text`History`,
        columns: FACT_COLUMNS,
        rows: facts.map((fact) => factRow(fact, context)),
      }),
  });
}

function factRow(fact: LimiterFact, context: Placed): Markup {
  const { show, now, limiter, linkTo } = context;
  const resource = limiterResource(limiter.name);
  const { at, kind, key, principal, details, eligibleAt, jobId } = fact;
  const href = jobId === null ? null : linkTo({ type: "job", id: jobId });
  const job = jobId === null
    ? null
    : href === null
    ? html`<span class="second mono">${jobId}</span>`
    : html`<span class="second"><a class="mono" href="${href}">${jobId}</a></span>`;
  const reason = typeof details["reason"] === "string"
    ? html`<span class="second">${
      show("reason", details["reason"], resource)
    }</span>`
    : null;
  return tableRow({
    columns: FACT_COLUMNS,
    cells: [
      timeBoth(at, now),
      html`<span>${FACT_WORDS[kind]}${
        numbersOf(details)
      }${reason}${job}</span>`,
      CAUSES[causeOf(fact)],
      isOfAll(fact)
        ? limiter.partitionBy === null ? text`All jobs` : text`All keys`
        : html`<span class="long">${shownKey(limiter, { key, show })}</span>`,
      eligibleAt === null ? none() : timeBoth(eligibleAt, now),
      principal === null
        ? text`The engine`
        : show("actor", principal, resource),
    ],
  });
}

/** Facts about a limiter as a whole have an empty key, as jobs without one do. */
function isOfAll({ kind, details }: LimiterFact): boolean {
  return kind === "reconfigured" || kind === "capacity_chosen" ||
    details["all"] === true;
}

function none(): Markup {
  return html`<span class="muted">–</span>`;
}

/** What it was at that moment, in numbers. */
function numbersOf(details: LimiterFact["details"]): Markup | null {
  const { used, capacity, before, after } = details;
  if (typeof used === "number" && typeof capacity === "number") {
    return html`: ${Math.ceil(used - 1e-6)} of ${capacity}`;
  }
  return typeof before === "number" && typeof after === "number"
    ? html`: ${before}, then ${after}`
    : null;
}

/** The newest block, and what the same rule says of the same key now. */
export interface ThenAndNow {
  readonly then: LimiterFact;
  readonly now: {
    readonly used: number;
    readonly capacity: number;
    /** `null`: a job may start. */
    readonly blocker: LimiterBlocker | null;
  };
}

const COMPARED: readonly Column[] = [
  { label: text`What` },
  { label: text`Then` },
  { label: text`Now` },
];

/** Two moments side by side, told by one rule. */
export function limiterThenAndNow(
  { then, now: live }: ThenAndNow,
  context: Placed,
): Markup {
  const { show, now, limiter } = context;
  const resource = limiterResource(limiter.name);
  const { used, capacity, code, reason } = then.details;
  const key = limiter.partitionBy === null
    ? null
    : shownKey(limiter, { key: then.key, show });
  const rows: (readonly [Plain, Content, Content])[] = [
    [text`At`, timeBoth(then.at, now), text`This moment`],
    [
      text`Answer`,
      code === "cooldown" ? text`It cools down` : text`The limit is reached`,
      live.blocker === null
        ? text`A job may start`
        : live.blocker.code === "cooldown"
        ? text`It cools down`
        : text`The limit is reached`,
    ],
    [
      text`Use`,
      typeof used === "number" && typeof capacity === "number"
        ? useBar(used, capacity)
        : none(),
      useBar(live.used, live.capacity),
    ],
    [
      text`Eligible again`,
      then.eligibleAt === null ? unknown() : timeBoth(then.eligibleAt, now),
      live.blocker === null
        ? text`At once`
        : live.blocker.eligibleAt === null
        ? unknown()
        : timeBoth(live.blocker.eligibleAt, now),
    ],
  ];
  if (typeof reason === "string" || live.blocker?.reason) {
    rows.push([
      text`Reason`,
      typeof reason === "string" ? show("reason", reason, resource) : none(),
      live.blocker?.reason
        ? show("reason", live.blocker.reason, resource)
        : none(),
    ]);
  }
  return panel({
    id: text`then-and-now`,
    title: text`Then and now`,
    aside: html`<span class="muted">when it last held a job back${
      key && html`, key ${key}`
    }</span>`,
    body: dataTable({
      caption: text`When it last held a job back, and now`,
      columns: COMPARED,
      rows: rows.map(([what, one, other]) =>
        tableRow({ columns: COMPARED, cells: [what, one, other] })
      ),
    }),
  });
}

function unknown(): Markup {
  return html`<span>When one that runs has ended</span>`;
}
