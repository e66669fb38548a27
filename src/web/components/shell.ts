import { assetFile } from "../assets/asset.ts";
import type { Flash, Theme } from "../env.ts";
import { hostHref, type Paths } from "../paths.ts";
import type { Layout } from "../../seams.ts";
import {
  hostText,
  type Href,
  html,
  iso,
  type Markup,
  type Plain,
  type Shown,
  text,
} from "../render.ts";
import { formTokenField } from "./form.ts";
import { flashRegion } from "./flash.ts";
import { type Icon, icon } from "./icon.ts";

/** The pages of the navigation. */
export type NavKey =
  | "overview"
  | "jobs"
  | "queues"
  | "limiters"
  | "cron"
  | "forensics"
  | "audit";

/** A link of the navigation. */
export interface NavItem {
  readonly key: NavKey;
  readonly label: Plain;
  readonly href: Href;
}

/** Everything around a page. */
export interface Shell {
  readonly title: Plain | Shown;
  readonly body: Markup;
  readonly paths: Paths;
  readonly theme: Theme;
  readonly layout: ShownLayout;
  /** Where on the site this is. */
  readonly active: NavKey | null;
  readonly path: Href;
  /** `null` before we know who asks: then there is nothing to navigate. */
  readonly person: {
    readonly label: Shown;
    readonly readOnly: boolean;
    readonly formToken: Plain;
    readonly nav: readonly NavItem[];
  } | null;
  readonly flash: Flash | null;
  /** When this page was made, by the database's clock. */
  readonly now: Date | null;
}

/** What a host put around our pages, as text that may be printed. */
export interface ShownLayout {
  readonly title: Shown | null;
  readonly environment: Shown | null;
  readonly homeHref: Href | null;
  readonly signOutHref: Href | null;
}

/** The host's layout; it is the host's own text and asks no policy. */
export function shownLayout(layout: Layout): ShownLayout {
  const shorten = (value: string | undefined, max: number) =>
    value ? hostText(value, max) : null;
  return {
    title: shorten(layout.title, 40),
    environment: shorten(layout.environment, 24),
    homeHref: hostHref(layout.homeHref),
    signOutHref: hostHref(layout.signOutHref),
  };
}

/** A whole page. */
export function shell(page: Shell): Markup {
  const { paths, theme } = page;
  return html`
    <!DOCTYPE html>
    <html lang="en" data-theme="${theme}" ${madeAt(page.now)}>
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="${colorScheme(theme)}">
        <title>${page.title} · Yardmaster</title>
        <link rel="icon" type="image/svg+xml" href="${paths.asset(
          assetFile("mark.svg"),
        )}">
        <link rel="stylesheet" href="${paths.asset(assetFile("app.css"))}">
        <script src="${paths.asset(assetFile("app.js"))}" defer></script>
      </head>
      <body>
            <a class="skip" href="#main">Skip to content</a>
            ${sidebar(page)}
            <main class="main" id="main" tabindex="-1">
              ${flashRegion(page.flash, paths)} ${page.body}
            </main>
            <dialog class="dialog" id="dialog" aria-label="Preview"></dialog>
          </body>
    </html>
  `;
}

/** Relative times are refreshed against it: the clock of a browser may be off. */
function madeAt(now: Date | null): Markup | null {
  return now && html`
    data-now="${iso(now)}"
  `;
}

const COLOR_SCHEMES = {
  auto: "light dark",
  light: "light",
  dark: "dark",
} as const satisfies Record<Theme, string>;

function colorScheme(theme: Theme) {
  return COLOR_SCHEMES[theme];
}

function sidebar(page: Shell): Markup {
  const { paths, layout, person } = page;
  return html`
    <header class="side">
      <div class="brand">
        <a class="brand-link" href="${paths.overview()}">
          <svg class="brand-mark" width="22" height="22" aria-hidden="true"><use href="${paths
            .asset(assetFile("icons.svg"))}#mark"></use></svg>
          <span class="brand-name">Yardmaster</span>
        </a>
        ${layout.environment &&
          html`<span class="environment">${layout.environment}</span>`}
      </div>
      ${person && navigation(person.nav, page)}
      <div class="side-foot">
        ${hostLink(layout, paths)} ${person &&
          themeSwitch(page, person.formToken)}
        ${person && personChip(person, page)}
      </div>
    </header>
  `;
}

function navigation(items: readonly NavItem[], page: Shell): Markup {
  return html`
    <nav class="nav" aria-label="Yardmaster">
      <ul>
        ${items.map((item) =>
          html`<li><a href="${item.href}"${
            item.key === page.active
              ? html`
                aria-current="page"
              `
              : null
          }>${
            icon(NAV_ICONS[item.key], page.paths)
          }<span>${item.label}</span></a></li>`
        )}
      </ul>
    </nav>
  `;
}

const NAV_ICONS = {
  overview: "overview",
  jobs: "jobs",
  queues: "queues",
  limiters: "block",
  cron: "cron",
  forensics: "forensics",
  audit: "audit",
} as const satisfies Record<NavKey, Icon>;

function hostLink(layout: ShownLayout, paths: Paths): Markup | null {
  const { title, homeHref } = layout;
  if (homeHref !== null) {
    return html`<a class="host-link" href="${homeHref}">${
      icon("host", paths)
    }<span>${title ?? text`Back to the host`}</span></a>`;
  }
  return title &&
    html`<p class="host-link">${icon("host", paths)}<span>${title}</span></p>`;
}

/** Three buttons of one form: it works without script. */
function themeSwitch(page: Shell, formToken: Plain): Markup {
  const choices = [
    ["auto", "Auto"],
    ["light", "Light"],
    ["dark", "Dark"],
  ] as const;
  return html`
    <form class="theme" method="post" action="${page.paths
      .theme()}" aria-label="Theme">
      ${formTokenField(formToken)}
      <input type="hidden" name="back" value="${page.path}">
      ${choices.map(([value, label]) =>
        html`
          <button type="submit" name="theme" value="${value}"
            aria-pressed="${value === page.theme
              ? "true"
              : "false"}">${label}</button>
        `
      )}
    </form>
  `;
}

function personChip(
  person: NonNullable<Shell["person"]>,
  { paths, layout }: Shell,
): Markup {
  return html`
    <div class="person">
      ${icon("user", paths)}
      <span class="person-name" title="${person.label}">${person.label}</span>
      ${person.readOnly
        ? html`<span class="read-only">${icon("lock", paths)} Read-only</span>`
        : null}
      ${layout.signOutHref &&
        html`
          <form method="post"
            action="${layout
              .signOutHref}"><button class="button" data-variant="quiet" type="submit">Sign out</button></form>
        `}
    </div>
  `;
}
