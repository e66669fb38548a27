import type { CronReading } from "../../forensics/cron_history.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import { type CronMark, MARK_WORDS } from "./cron_words.ts";

const CELL = 6;
const STEP = 8;
const HEIGHT = 22;

/**
 * The shape of each mark, so that it is told by form and not by colour alone: a
 * path that is relative to the lower left corner of its cell.
 */
const SHAPES = {
  on_time: "v-18h6v18z",
  delayed_claim: "v-18h3v6h3v12z",
  failed: "v-18h6v18zm1.5 -16v14h3v-14z",
  missed_fire: "v-4h6v4zm0 -14v-4h6v4z",
  overlap_relevant: "v-9h6v9z",
  paused: "v-12h2v12zm4 0v-12h2v12z",
  manual_run: "m3 0l-3 -6 3 -6 3 6z",
  partial_evidence: "v-3h6v3z",
  unknown: "m0 -8h6v2h-6z",
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
export function cronStrip(reading: CronReading, cells: number): Markup {
  const items = reading.items.slice(-cells);
  if (items.length === 0) {
    return html`<p class="muted">No history yet</p>`;
  }
  const marks = items.map((item) => markOf(item, reading));
  const width = cells * STEP - (STEP - CELL);
  const first = cells - marks.length;
  const paths = MARKS.map((mark) => {
    const cellsOf = marks.flatMap((one, index) => one === mark ? [index] : []);
    return cellsOf.length === 0 ? null : pathOf(mark, cellsOf, first);
  });
  return html`
    <svg class="strip" width="${width}" height="${HEIGHT}"
      viewBox="0 0 ${width} ${HEIGHT}" role="img"
      aria-label="${stripSentence(
        marks,
      )}"><path class="strip-floor" d="M0 ${HEIGHT}h${width}"></path>${paths}</svg>
  `;
}

function pathOf(
  mark: CronMark,
  cells: readonly number[],
  first: number,
): Markup {
  const data = cells.map((cell) =>
    text`M${(first + cell) * STEP} ${HEIGHT - 2}${SHAPES[mark]}`
  ).join("") as Plain;
  return html`<path class="strip-mark" data-mark="${mark}" d="${data}"></path>`;
}

/** `24 planned instants, oldest first: 22 on-time, 2 missed fire.` */
export function stripSentence(marks: readonly CronMark[]): Plain {
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

/** What each mark that is drawn means. */
export function stripLegend(reading: CronReading): Markup {
  const drawn = new Set(reading.items.map((item) => markOf(item, reading)));
  return html`<ul class="legend">${
    MARKS.filter((mark) => drawn.has(mark)).map((mark) =>
      html`<li><svg class="strip" width="${CELL}" height="${HEIGHT}" viewBox="0 0 ${CELL} ${HEIGHT}" aria-hidden="true"><path class="strip-mark" data-mark="${mark}" d="M0 ${
        HEIGHT - 2
      }${SHAPES[mark]}"></path></svg> ${MARK_WORDS[mark]}</li>`
    )
  }</ul>`;
}
