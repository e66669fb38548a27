import { html, iso, type Markup, type Plain, text } from "../render.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/**
 * An instant, relative with the exact one behind it. A script may refresh the
 * words; without it they tell how things stood when the page was made.
 */
export function timeAgo(at: Date | null, now: Date): Markup {
  if (at === null) return html`<span class="muted">Unknown</span>`;
  return html`
    <time datetime="${iso(at)}" title="${exactText(at)}"
      data-relative>${agoText(at, now)}</time>
  `;
}

/** An instant, exact: `2026-01-15 12:00:00 UTC`. */
export function timeExact(at: Date | null): Markup {
  if (at === null) return html`<span class="muted">Unknown</span>`;
  return html`<time datetime="${iso(at)}">${exactText(at)}</time>`;
}

/** Relative on one line, exact below. */
export function timeBoth(at: Date | null, now: Date): Markup {
  if (at === null) return html`<span class="muted">Unknown</span>`;
  return html`<span class="time-both">${timeAgo(at, now)}
    <span class="muted">${timeExact(at)}</span></span>`;
}

/** The words of {@linkcode timeExact}. */
export function exactText(at: Date): Plain {
  const exact = iso(at).replace("T", " ").replace("Z", " UTC");
  return exact as Plain;
}

/** `just now`, `5 min ago`, `in 5 min`; past and future never look alike. */
export function agoText(at: Date, now: Date): Plain {
  const ms = now.getTime() - at.getTime();
  if (Math.abs(ms) < SECOND_MS) return text`just now`;
  return ms > 0 ? text`${spanText(ms)} ago` : text`in ${spanText(-ms)}`;
}

/**
 * A span to the nearest unit, in two units from an hour to ten: `4 s`, `30 min`,
 * `2 h 5 min`, `6 d`.
 */
export function spanText(ms: number): Plain {
  const seconds = Math.round(ms / SECOND_MS);
  if (seconds < 60) return text`${seconds} s`;
  const minutes = Math.round(ms / MINUTE_MS);
  if (minutes < 60) return text`${minutes} min`;
  const hours = Math.round(ms / HOUR_MS);
  if (hours >= 48) return text`${Math.round(ms / DAY_MS)} d`;
  const rest = minutes % 60;
  return rest === 0 || minutes >= 600
    ? text`${hours} h`
    : text`${Math.floor(minutes / 60)} h ${rest} min`;
}

/** How long something took: `12 ms`, `1.2 s`, `3 min`. */
export function durationText(ms: number): Plain {
  if (ms < SECOND_MS) return text`${Math.round(ms)} ms`;
  if (ms < 10 * SECOND_MS) return text`${Math.round(ms / 100) / 10} s`;
  return spanText(ms);
}
