import type { CronReading } from "../../forensics/cron_history.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import {
  type CronMark,
  MARK_LABELS,
  MARK_SENTENCES,
  MARK_WORDS,
} from "./cron_words.ts";

const CELL = 4;
const STEP = 6;
const HEIGHT = 20;

/**
 * The shape of each mark, so that it is told by form and not by colour alone: a
 * path that is relative to the lower left corner of its cell.
 */
const SHAPES = {
  on_time: "v-16h4v16z",
  delayed_claim: "v-16h2v6h2v10z",
  failed: "v-16h4v16zm1 -15v14h2v-14z",
  missed_fire: "v-4h4v4zm0 -12v-4h4v4z",
  overlap_relevant: "v-8h4v8z",
  key_held: "v-8h4v8zm1 -1h2v-6h-2z",
  limited: "v-2h4v2zm0 -4v-2h4v2zm0 -4v-2h4v2z",
  overwrote: "v-12h4v12zm1 -2h2v-5h-2z",
  paused: "v-10h1v10zm3 0v-10h1v10z",
  manual_run: "m2 0l-2.5 -5 2.5 -5 2.5 5z",
  partial_evidence: "v-3h4v3z",
  unknown: "m0 -7h4v2h-4z",
} as const satisfies Record<CronMark, string>;

/** In the order in which a person would want to hear of them. */
const MARKS = Object.keys(SHAPES) as CronMark[];

/** What an instant is drawn as. */
export function markOf(
  item: CronReading["items"][number],
  { jobs }: Pick<CronReading, "jobs">,
): CronMark {
  const jobId = item.slot?.jobId ?? null;
  const failed = jobId !== null && jobs.get(jobId)?.state === "discarded";
  return failed ? "failed" : item.class;
}

/** The newest instants as a picture with a sentence; one path for each mark. */
export function cronStrip(
  reading: CronReading,
  { cells, scale = 1 }: { readonly cells: number; readonly scale?: number },
): Markup {
  const items = reading.items.slice(-cells);
  if (items.length === 0) {
    return html`<p class="muted">No history yet</p>`;
  }
  const marks = items.map((item) => markOf(item, reading));
  const width = cells * STEP - (STEP - CELL);
  const paths = MARKS.map((mark) => {
    const cellsOf = marks.flatMap((one, index) => one === mark ? [index] : []);
    return cellsOf.length === 0 ? null : pathOf(mark, cellsOf);
  });
  return html`
    <svg class="strip" width="${width * scale}" height="${HEIGHT * scale}"
      viewBox="0 0 ${width} ${HEIGHT}" role="img"
      aria-label="${stripSentence(
        marks,
      )}"><path class="strip-floor" d="M0 ${HEIGHT}h${width}"></path>${paths}</svg>
  `;
}

function pathOf(mark: CronMark, cells: readonly number[]): Markup {
  const data = cells.map((cell) =>
    text`M${cell * STEP} ${HEIGHT - 2}${SHAPES[mark]}`
  ).join("") as Plain;
  return html`<path class="strip-mark" data-mark="${mark}" d="${data}"></path>`;
}

/** `24 planned instants, oldest first: 22 on-time, 2 missed fire.` */
function stripSentence(marks: readonly CronMark[]): Plain {
  const counted = MARKS.flatMap((mark) => {
    const count = marks.filter((one) => one === mark).length;
    return count === 0 ? [] : [text`${count} ${MARK_WORDS[mark]}`];
  });
  const list = counted.join(", ") as Plain;
  return text`${marks.length} instants, oldest first: ${list}.`;
}

/** The same as words: runs of equal marks, oldest first. */
export function stripRuns(reading: CronReading, cells: number): Markup {
  const marks = reading.items.slice(-cells).map((item) =>
    markOf(item, reading)
  );
  const runs: { readonly mark: CronMark; readonly count: number }[] = [];
  for (const mark of marks) {
    const last = runs.at(-1);
    if (last?.mark === mark) {
      runs[runs.length - 1] = { mark, count: last.count + 1 };
    } else runs.push({ mark, count: 1 });
  }
  return html`<ol class="runs">${
    runs.map(({ mark, count }) => html`<li>${count} × ${MARK_WORDS[mark]}</li>`)
  }</ol>`;
}

/** What each mark that is drawn in the strips means, once for all of them. */
export function stripLegend(
  readings: readonly CronReading[],
  cells: number,
): Markup {
  const drawn = new Set(
    readings.flatMap((reading) =>
      reading.items.slice(-cells).map((item) => markOf(item, reading))
    ),
  );
  const items = MARKS.filter((mark) => drawn.has(mark)).map((mark) =>
    html`
      <li>${sample(
        mark,
      )}<span><strong>${MARK_LABELS[mark]}.</strong> ${MARK_SENTENCES[
        mark
      ]}</span></li>
    `
  );
  return html`<ul class="legend">${items}</ul>`;
}

function sample(mark: CronMark): Markup {
  return html`
    <svg class="strip" width="${CELL * 1.5}" height="${HEIGHT}"
      viewBox="0 0 ${CELL} ${HEIGHT}"
      aria-hidden="true">
      <path class="strip-mark" data-mark="${mark}"
        d="M0 ${HEIGHT - 2}${SHAPES[mark]}"></path>
    </svg>
  `;
}
