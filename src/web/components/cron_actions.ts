import type { Action } from "../../domain/action.ts";
import type { CronEntry } from "../../store/cron.ts";
import type { PageContext } from "../env.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup, type Plain, text } from "../render.ts";
import { previewButton } from "./form.ts";

/** What can be done to a cron entry. */
export const CRON_ACTIONS = [
  "pause_cron_entry",
  "resume_cron_entry",
  "run_cron_entry",
] as const satisfies readonly Action[];
/** One of {@linkcode CRON_ACTIONS}. */
export type CronAction = typeof CRON_ACTIONS[number];

/** What this actor may do to one entry. */
export type CronMay = Readonly<Record<CronAction, boolean>>;

/** Asks the host what this actor may do to an entry. */
export async function cronMayFor(
  c: PageContext,
  name: string,
): Promise<CronMay> {
  const resource = { type: "cron_entry", id: name } as const;
  const [pause, resume, run] = await Promise.all(
    CRON_ACTIONS.map((action) => c.var.may(action, resource)),
  );
  return {
    pause_cron_entry: pause === true,
    resume_cron_entry: resume === true,
    run_cron_entry: run === true,
  };
}

const LABELS = {
  pause_cron_entry: text`Pause Cron Entry…`,
  resume_cron_entry: text`Resume Cron Entry…`,
  run_cron_entry: text`Run Now…`,
} as const satisfies Record<CronAction, Plain>;

/** The buttons that fit the entry as it stands. */
export function cronActions(
  entry: CronEntry,
  { paths, formToken, may }: {
    readonly paths: Paths;
    readonly formToken: Plain;
    readonly may: CronMay;
  },
): Markup {
  if (entry.retiredAt !== null) {
    return html`<span class="muted">Retired: nothing to do</span>`;
  }
  const toggle = entry.pausedAt === null
    ? "pause_cron_entry"
    : "resume_cron_entry";
  const denied = [toggle, "run_cron_entry"] as const;
  const missing = denied.filter((action) => !may[action]);
  const button = (action: CronAction) =>
    previewButton({
      action,
      targetId: entry.name,
      label: LABELS[action],
      disabled: may[action] ? null : text`needs ${action}`,
    }, { paths, formToken });
  // One sentence for both, where neither is allowed.
  if (missing.length === denied.length) {
    return html`
      <span class="action-off">
        <button class="button" type="button" disabled>${LABELS[toggle]}</button>
        <button class="button" type="button" disabled>${LABELS[
          "run_cron_entry"
        ]}</button>
        <span class="muted">You may look, and not act on it.</span>
      </span>
    `;
  }
  return html`${button(toggle)} ${button("run_cron_entry")}`;
}
