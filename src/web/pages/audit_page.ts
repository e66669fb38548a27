import type { AuditEvent, AuditHead } from "../../domain/audit.ts";
import { RESOURCE_TYPES } from "../../seams.ts";
import {
  AUDIT_FILTERS,
  type AuditFilter,
  type AuditQuery,
  EVENT_TYPES,
} from "../audit_query.ts";
import {
  type AuditRowContext,
  auditTable,
  hashText,
} from "../components/audit_rows.ts";
import { postureBadge } from "../components/badge.ts";
import { numberText } from "../components/count.ts";
import { type FilterField, filterForm } from "../components/form.ts";
import { emptyState, pager, readOnlyBanner } from "../components/panel.ts";
import { RESOURCE_LABELS } from "../links.ts";
import type { Query } from "../paths.ts";
import {
  code,
  type Href,
  html,
  type Markup,
  type Plain,
  text,
} from "../render.ts";

/** What the audit page shows. */
export interface AuditPage {
  readonly query: AuditQuery;
  readonly events: readonly AuditEvent[];
  readonly newer: Href | null;
  readonly older: Href | null;
  readonly head: AuditHead | null;
}

const PAGE = { type: "page", id: "audit" } as const;

/** The names of the filters, as the form writes them. */
const LABELS = {
  resource_type: text`Resource type`,
  resource_id: text`Resource`,
  event_type: text`Event type`,
  actor: text`Actor`,
  result: text`Result`,
  from: text`From`,
  until: text`Until`,
} as const satisfies Record<AuditFilter, Plain>;

/** Every change and every refusal, with who, what and why. */
export function auditPage(page: AuditPage, context: AuditRowContext): Markup {
  const { query, events, newer, older } = page;
  const { paths } = context;
  return html`
    <header class="page-head">
      <div>
        <h1>Audit</h1>
        <p>
          The cross-surface audit destination: what was changed or refused
          through these pages, the operator API or the command line, by whom and
          why.
        </p>
      </div>
      ${postureBadge("inspection", paths)}
    </header>
    ${readOnlyBanner(
      text`The audit can be read by people and changed by nobody.`,
    )}
    ${filters(query, context)} ${scope(query, context)}
    ${events.length === 0
      ? nothing(query, context)
      : auditTable(events, context)}
    ${newer === null && older === null ? null : pager({ newer, older })}
    ${footer(page, context)}
  `;
}

/** The query of a page of the same filters. */
export function auditQueryOf(query: AuditQuery): Query {
  return { ...query.asked };
}

function filters(query: AuditQuery, { paths }: AuditRowContext): Markup {
  const { asked, problems } = query;
  const textField = (name: AuditFilter, hint: Plain): FilterField => ({
    kind: "text",
    name: text`${name}`,
    label: LABELS[name],
    value: asked[name] ?? null,
    hint,
    error: problems[name] ?? null,
  });
  const choice = (
    name: AuditFilter,
    options: readonly (readonly [string, Plain])[],
  ): FilterField => ({
    kind: "choice",
    name: text`${name}`,
    label: LABELS[name],
    value: asked[name] ?? null,
    options,
  });
  const filtered = Object.keys(asked).length > 0;
  return filterForm({
    action: paths.audit(),
    clear: filtered ? paths.audit() : null,
    fields: [
      choice(
        "resource_type",
        RESOURCE_TYPES.map((type) =>
          [type, text`${RESOURCE_LABELS[type]}`] as const
        ),
      ),
      textField("resource_id", text`exact id`),
      choice(
        "event_type",
        eventTypes(asked).map((type) => [type, code(type)] as const),
      ),
      textField("actor", text`exact id`),
      choice("result", [
        ["applied", text`applied`],
        ["refused", text`refused`],
      ]),
      textField("from", text`24h`),
      textField("until", text`2026-01-15`),
    ],
  });
}

/** The event types that there are, and the one that was asked for. */
function eventTypes({ event_type: own }: AuditQuery["asked"]): string[] {
  return own === undefined || EVENT_TYPES.includes(own)
    ? [...EVENT_TYPES]
    : [...EVENT_TYPES, own];
}

const CHOICES: readonly AuditFilter[] = ["resource_type", "result"];

/** What is filtered by, each with a link that takes it away. */
function scope(query: AuditQuery, context: AuditRowContext): Markup | null {
  const { asked, problems } = query;
  const names = AUDIT_FILTERS.filter((name) => asked[name] !== undefined);
  if (names.length === 0) return null;
  const { paths, show } = context;
  const chips = names.map((name) => {
    const without = paths.audit({ ...asked, [name]: undefined });
    const value = show("name", asked[name], PAGE);
    const problem = problems[name] ?? null;
    // A choice has no room for it; a text field says itself what is wrong.
    const why = CHOICES.includes(name) ? problem : null;
    const note = problem &&
      html`<span class="field-error">${why} It was left out.</span>`;
    return html`<li><code>${name}=${value}</code> ${note} <a href="${without}">Remove<span class="offscreen"> ${
      LABELS[name]
    }</span></a></li>`;
  });
  return html`
    <section class="scope" aria-labelledby="scope-title">
      <h2 id="scope-title">Scoped Audit Filter</h2>
      <ul>${chips}</ul>
    </section>
  `;
}

function nothing(query: AuditQuery, { paths }: AuditRowContext): Markup {
  if (Object.keys(query.asked).length > 0 || query.before !== null) {
    return emptyState({
      title: text`No event fits these filters`,
      body:
        text`An event is found by its exact values. Remove a filter, or look at all of them.`,
      action: { label: text`Show all events`, href: paths.audit() },
    });
  }
  return emptyState({
    title: text`Nothing was changed or refused so far`,
    body:
      text`The first audited action, such as pausing a cron entry, writes the first event.`,
    action: { label: text`Go to cron`, href: paths.cron() },
  });
}

/** How to keep it, and how it can be checked. */
function footer(page: AuditPage, { paths }: AuditRowContext): Markup {
  const query = auditQueryOf(page.query);
  const chain = page.head === null
    ? html`The end of the hash chain is missing: run <code>yardmaster audit verify</code>.`
    : html`Events in the chain: ${
      numberText(Number(page.head.id))
    }. It ends at hash <code>${
      hashText(page.head.hash, 12)
    }…</code>; <code>yardmaster audit verify</code> checks all of it.`;
  return html`
    <footer class="page-foot">
      <p class="muted">${chain}</p>
      <p class="actions">
        <a class="button" data-variant="quiet" href="${paths.auditExport(
          "csv",
          query,
        )}"
          download>Export as CSV</a>
        <a class="button" data-variant="quiet" href="${paths.auditExport(
          "ndjson",
          query,
        )}"
          download>Export as NDJSON</a>
      </p>
    </footer>
  `;
}
