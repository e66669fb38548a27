import {
  CRON_DST_SENTENCES,
  describeCron,
} from "../../domain/cron_expression.ts";
import type { JsonObject } from "../../domain/secret_paths.ts";
import type { CronReading } from "../../forensics/cron_history.ts";
import type { ResourceRef } from "../../seams.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import { type CronRowContext, lastRunCell } from "./cron_rows.ts";
import { argsView } from "./args_view.ts";
import {
  CATCH_UP_LABELS,
  CATCH_UP_SENTENCES,
  OVERLAP_LABELS,
  OVERLAP_SENTENCES,
  UNIQUE_LABELS,
  UNIQUE_SENTENCES,
} from "./cron_words.ts";
import { panel } from "./panel.ts";
import { type Content, definitions } from "./table.ts";
import { durationText, timeAgo, timeExact } from "./time.ts";

type Context = CronRowContext & { readonly resource: ResourceRef };

/** When it fires: in words, as written, in which zone, and the next instants. */
export function cronSchedule(reading: CronReading, context: Context): Markup {
  const { entry, expression } = reading;
  const { show, resource } = context;
  const dst = expression === null || !hasDst(entry.timezone, reading.now)
    ? null
    : CRON_DST_SENTENCES[expression.dst];
  return panel({
    id: text`schedule`,
    title: text`Schedule`,
    body: definitions([
      [
        text`In words`,
        expression === null
          ? html`<span class="field-error">It can not be read</span>`
          : show("name", describeCron(expression.text), resource),
      ],
      [
        text`Expression`,
        html`<code>${show("name", entry.expression, resource)}</code>`,
      ],
      [text`Zone`, show("name", entry.timezone, resource)],
      [
        text`Daylight saving`,
        dst === null
          ? html`<span class="muted">The clocks of this zone do not change.</span>`
          : html`${dst}`,
      ],
      [text`Next fires`, nextFires(reading, context)],
      [text`Last run`, lastRunCell(reading, context)],
      ...changed(reading, context),
    ]),
  });
}

function changed(
  { entry }: CronReading,
  { now }: Context,
): readonly (readonly [Plain, Content])[] {
  const retired = entry.retiredAt === null
    ? []
    : [[text`Retired`, timeAgo(entry.retiredAt, now)] as const];
  return [[text`Plan since`, timeAgo(entry.planSince, now)], ...retired];
}

function nextFires({ next, entry, expression }: CronReading, context: Context) {
  if (next.length === 0) {
    return html`<span class="muted">${
      entry.retiredAt !== null
        ? "It is retired and fires no more."
        : expression === null
        ? "Not known until the expression can be read."
        : "None while it is paused."
    }</span>`;
  }
  const { now } = context;
  const fires = next.map((at) => {
    const local = localTime(at, entry.timezone);
    const there = local && html`<span class="muted">${local}</span>`;
    return html`
      <li
        class="row">${timeExact(at)} <span class="muted">${timeAgo(
          at,
          now,
        )}</span> ${there}</li>
    `;
  });
  return html`<ol class="fires">${fires}</ol>`;
}

/** The wall clock of the zone, where it is not that of UTC. */
function localTime(at: Date, timezone: string): Plain | null {
  const offset = offsetText(at, timezone);
  if (offset === null || offset === "GMT") return null;
  const wall = new Intl.DateTimeFormat("en-GB", {
    timeZone: timezone,
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  }).format(at);
  // Digits and a sign, from the runtime's own tables.
  return text`${wall as Plain} there (${offset as Plain})`;
}

function offsetText(at: Date, timezone: string): string | null {
  try {
    const parts = new Intl.DateTimeFormat("en-GB", {
      timeZone: timezone,
      timeZoneName: "shortOffset",
    }).formatToParts(at);
    return parts.find(({ type }) => type === "timeZoneName")?.value ?? null;
  } catch {
    return null;
  }
}

/** Whether the clocks of a zone change in the year ahead. */
function hasDst(timezone: string, now: Date): boolean {
  const offsets = [0, 3, 6, 9].map((months) => {
    const at = new Date(now);
    at.setUTCMonth(at.getUTCMonth() + months);
    return offsetText(at, timezone);
  });
  return new Set(offsets).size > 1;
}

/**
 * What it fires, and what happens when fires meet or are missed.
 *
 * @param opened Its args, where they are encrypted and the actor may see them.
 */
export function cronDefinition(
  { opened, ...reading }: CronReading & { readonly opened: JsonObject | null },
  context: Context,
): Markup {
  const { entry } = reading;
  const { show, resource, linkTo } = context;
  const queue = { type: "queue", id: entry.queue } as const;
  const href = linkTo(queue);
  const name = show("name", entry.queue, queue);
  return panel({
    id: text`definition`,
    title: text`What it fires`,
    body: html`
      ${definitions([
        [text`Worker`, show("name", entry.worker, resource)],
        [
          text`Queue`,
          href === null ? name : html`<a href="${href}">${name}</a>`,
        ],
        [text`Priority`, entry.priority],
        [text`Attempts at most`, entry.maxAttempts],
        [
          text`Overlap`,
          html`${OVERLAP_LABELS[entry.overlap]}<br><span class="muted">${
            OVERLAP_SENTENCES[entry.overlap]
          }</span>`,
        ],
        [
          text`Catch-up`,
          html`${CATCH_UP_LABELS[entry.catchUp]}<br><span class="muted">${
            CATCH_UP_SENTENCES[entry.catchUp]
          }${limitOf(reading)}</span>`,
        ],
        ...uniqueness(reading),
        ...deadline(reading),
      ])}
      <div>
        <h3>Args</h3>
        ${argsView({ ...entry, opened }, { show, resource })}
      </div>
    `,
  });
}

function limitOf({ entry }: CronReading): Markup | null {
  return entry.catchUp === "all"
    ? html`
      The limit is ${entry.catchUpMax}.
    `
    : null;
}

function uniqueness(
  { entry: { uniqueness } }: CronReading,
): readonly (readonly [Plain, Content])[] {
  return uniqueness === null ? [] : [[
    text`Unique`,
    html`${UNIQUE_LABELS[uniqueness.mode]}<br><span class="muted">${
      UNIQUE_SENTENCES[uniqueness.mode]
    }</span>`,
  ]];
}

function deadline(
  { entry }: CronReading,
): readonly (readonly [Plain, Content])[] {
  return entry.deadlineMs === null || entry.deadlineMs === undefined ? [] : [[
    text`Deadline`,
    text`${durationText(entry.deadlineMs)} after its time`,
  ]];
}
