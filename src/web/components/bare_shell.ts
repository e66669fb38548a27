import type { Context } from "hono";
import { readTheme } from "../cookies.ts";
import type { Env } from "../env.ts";
import { html, type Markup, type Plain } from "../render.ts";
import { shell, shownLayout } from "./shell.ts";

/** The shell without a person: for messages that must need nothing. */
export function bareShell(
  c: Context<Env>,
  { title, body }: { readonly title: Plain; readonly body: Markup },
): Markup {
  const { paths, layout } = c.var;
  return shell({
    title,
    body: html`${body}`,
    paths,
    theme: readTheme(c),
    layout: shownLayout(layout),
    active: null,
    path: paths.overview(),
    person: null,
    flash: null,
    now: null,
  });
}
