import { assetFile } from "../assets/asset.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup } from "../render.ts";

/** The pictures of the sprite `icons.svg`. */
export const ICONS = [
  "overview",
  "jobs",
  "queues",
  "cron",
  "forensics",
  "audit",
  "clock",
  "ring",
  "play",
  "loop",
  "pause",
  "check",
  "cross",
  "slash",
  "eye",
  "lock",
  "alert",
  "block",
  "arrow",
  "bridge",
  "user",
  "copy",
  "theme",
  "out",
  "host",
] as const;
/** One of {@linkcode ICONS}. */
export type Icon = typeof ICONS[number];

/** A picture beside a word. It is never alone, so it needs no name of its own. */
export function icon(name: Icon, paths: Paths): Markup {
  const sprite = paths.asset(assetFile("icons.svg"));
  return html`
    <svg class="icon" width="16" height="16" aria-hidden="true">
      <use href="${sprite}#${name}"></use>
    </svg>
  `;
}
