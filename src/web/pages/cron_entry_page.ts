import type { AuditEvent } from "../../domain/audit.ts";
import { DIAGNOSES } from "../../domain/diagnosis.ts";
import type { JsonObject } from "../../domain/secret_paths.ts";
import type { CronReading } from "../../forensics/cron_history.ts";
import { statusTone } from "../components/badge.ts";
import { cronActions } from "../components/cron_actions.ts";
import { cronDefinition, cronSchedule } from "../components/cron_facts.ts";
import { cronHistory } from "../components/cron_history_view.ts";
import {
  type CronRowContext,
  operatorStatus,
  policyChips,
} from "../components/cron_rows.ts";
import { readOnlyBanner, verdict } from "../components/panel.ts";
import { recentAudit } from "../components/recent_audit.ts";
import { timeAgo } from "../components/time.ts";
import { type Href, html, type Markup, text } from "../render.ts";

/** What the page of one entry shows. */
export interface CronEntryPage {
  readonly reading: CronReading;
  /** Its args, where they are encrypted and the actor may see them. */
  readonly openedArgs: JsonObject | null;
  /** The instants of the page of history that is looked at. */
  readonly history: CronReading;
  readonly newest: Href | null;
  readonly older: Href | null;
  readonly events: readonly AuditEvent[] | null;
  readonly readOnly: boolean;
  readonly forensics: boolean;
}

/** One cron entry: how it stands, when it fires, what became of its instants. */
export function cronEntryPage(
  page: CronEntryPage,
  context: CronRowContext,
): Markup {
  const { reading, events } = page;
  const { paths, show } = context;
  const { entry } = reading;
  const resource = { type: "cron_entry", id: entry.name } as const;
  return html`
    <header class="page-head">
      <div>
        <p class="crumbs"><a href="${paths.cron()}">Cron</a></p>
        <h1>${show("name", entry.name, resource)}</h1>
        <p class="row">${operatorStatus(reading, paths)} ${policyChips(
          reading,
        )}</p>
      </div>
      <div class="actions">${cronActions(entry, {
        ...context,
        may: context.mayOf(entry.name),
      })}</div>
    </header>
    ${page.readOnly
      ? readOnlyBanner(
        text`You may look at this entry, and not pause, resume or run it.`,
      )
      : null}
    ${standing(page, context)}
    <div class="columns">
      ${cronSchedule(reading, { ...context, resource })}
      ${cronDefinition({ ...reading, opened: page.openedArgs }, {
        ...context,
        resource,
      })}
    </div>
    ${cronHistory(page, { ...context, resource })}
    ${events === null ? null : recentAudit(events, { ...context, ofOne: true })}
  `;
}

/** The verdict: what is so, why, and where the evidence is. */
function standing(
  { reading, forensics }: CronEntryPage,
  context: CronRowContext,
): Markup {
  const { paths, show, now } = context;
  const { entry, fault } = reading;
  const { status, title, why } = DIAGNOSES[reading.diagnosis];
  const resource = { type: "cron_entry", id: entry.name } as const;
  const sentence = entry.pausedAt === null
    ? html`${title}. ${why} ${holder(reading, context)}`
    : html`Paused ${timeAgo(entry.pausedAt, now)} by ${
      show("actor", entry.pausedBy, resource)
    }. ${why}`;
  const evidence = paths.forensics({
    resource_type: resource.type,
    resource_id: resource.id,
  });
  return html`
    ${verdict({
      tone: status === null ? "quiet" : statusTone(status),
      sentence,
      aside: forensics
        ? html`<a href="${evidence}">Open forensic timeline</a>`
        : null,
    })}
    ${fault === null
      ? null
      : html`<p class="field-error">${show("name", fault, resource)}</p>`}
  `;
}

/** The job that held the key of the newest instant, if that is how it stands. */
function holder(
  { diagnosis, items }: CronReading,
  { linkTo, show }: CronRowContext,
): Markup | null {
  const id = diagnosis === "cron_key_held"
    ? items.findLast(({ slot }) => slot?.reason === "key_held")?.slot
      ?.blockedById ?? null
    : null;
  if (id === null) return null;
  const resource = { type: "job", id } as const;
  const name = show("name", id, resource);
  const href = linkTo(resource);
  return href === null
    ? html`The key was held by job <span class="mono">${name}</span>.`
    : html`
      The key was held by <a
        href="${href}">job <span class="mono">${name}</span></a>.
    `;
}
