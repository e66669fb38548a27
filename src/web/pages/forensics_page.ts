import { DIAGNOSES } from "../../domain/diagnosis.ts";
import { COMPLETENESS_SENTENCES } from "../../domain/evidence.ts";
import type { Bundle, SourceCompleteness } from "../../forensics/bundle.ts";
import { SOURCES } from "../../forensics/chronology.ts";
import type { Selectors } from "../../forensics/collect.ts";
import type { ResourceRef } from "../../seams.ts";
import { statusChip, statusTone } from "../components/badge.ts";
import { completenessChip, provenanceLabel } from "../components/evidence.ts";
import { continuityBlock } from "../components/continuity.ts";
import { panel, readOnlyBanner } from "../components/panel.ts";
import {
  type HostRunbook,
  type PathContext,
  pathList,
} from "../components/path_list.ts";
import { runbookCard } from "../components/runbook_card.ts";
import { sentenceMarkup } from "../components/sentence.ts";
import { subjectForm } from "../components/subject_form.ts";
import { type Column, dataTable, tableRow } from "../components/table.ts";
import { timeline } from "../components/timeline.ts";
import { timeExact } from "../components/time.ts";
import { RESOURCE_LABELS } from "../links.ts";
import { html, type Markup, type Show, text } from "../render.ts";

/** What the page of a bundle depends on. */
export interface ForensicsContext extends PathContext {
  readonly show: Show;
  readonly now: Date;
  readonly selectors: Selectors;
  readonly hostRunbook: HostRunbook | null;
}

const PAGE = { type: "page", id: "forensics" } as const;

/** Everything about one thing, from the verdict to how sure it is. */
export function forensicsPage(
  bundle: Bundle,
  context: ForensicsContext,
): Markup {
  const resource = bundle.subject.resource ?? PAGE;
  return html`
    ${head(bundle, context)}
    ${readOnlyBanner(
      text`Forensics shows evidence and changes nothing. An action begins on the page of the thing.`,
    )}
    ${diagnosisSummary(bundle, context, resource)}
    ${runbookCard(bundle.runbook, {
      ...context,
      continuity: continuityBlock(bundle, context),
    })}
    ${timelinePanel(bundle, { ...context, resource })}
    ${relatedPanel(bundle, { ...context, resource })}
    ${linkedPanel(bundle, { ...context, resource })}
    ${panel({
      id: text`paths`,
      title: text`Legal Next Paths`,
      body: bundle.paths.length === 0
        ? html`<p class="muted">Nothing is legal on what is not on record.</p>`
        : pathList(bundle.paths, context),
    })}
    ${completenessPanel(bundle, context)} ${echo(bundle, context)}
  `;
}

function head(bundle: Bundle, context: ForensicsContext): Markup {
  const { paths, show, selectors, linkTo } = context;
  const { resource, label } = bundle.subject;
  if (resource === null) {
    const { resource_type: type, resource_id: id } = selectors;
    return html`
      <header class="page-head">
        <div>
          <h1>Forensics</h1>
          <p>What happened to a thing, how sure that is, and where to go next.</p>
        </div>
      </header>
      ${subjectForm({
        paths,
        type: type ?? null,
        id: id ?? null,
      })}
    `;
  }
  const href = linkTo(resource);
  return html`
    <header class="page-head">
      <div>
        <p class="crumbs"><a href="${paths
          .forensics()}">Forensics</a> · ${RESOURCE_LABELS[resource.type]}</p>
        <h1>${show("name", resource.id, resource)}</h1>
        ${label &&
          html`<p>${sentenceMarkup(label, { ...context, resource })}</p>`}
      </div>
      <p class="actions">
        ${href && html`<a class="button" href="${href}">Open it</a>`}
        <a class="button" data-variant="quiet" href="${paths.forensicsExport(
          selectors,
        )}" download>Export as JSON</a>
      </p>
    </header>
  `;
}

function diagnosisSummary(
  { diagnosis }: Bundle,
  context: ForensicsContext,
  resource: ResourceRef,
): Markup {
  const { paths } = context;
  const { status, title } = DIAGNOSES[diagnosis.code];
  const chip = status === null
    ? completenessChip("unknown", paths)
    : statusChip(status, paths);
  return html`
    <section class="diagnosis" id="diagnosis" aria-labelledby="diagnosis-title"
      data-tone="${status === null ? "quiet" : statusTone(status)}">
      <h2 id="diagnosis-title">Diagnosis Summary</h2>
      <p class="diagnosis-verdict">${chip} <strong>${title}</strong></p>
      <p>${sentenceMarkup(diagnosis.detail, { ...context, resource })}</p>
      ${alsoList(diagnosis, { ...context, resource })}
      <p class="muted">Provenance: ${provenanceLabel(diagnosis.provenance)}</p>
    </section>
  `;
}

/** What else is the case. */
function alsoList({ also = [] }: Bundle["diagnosis"], context: Placed) {
  if (also.length === 0) return null;
  return html`<ul class="bullets">${
    also.map(({ code, detail }) =>
      html`<li><strong>${DIAGNOSES[code].title}.</strong> ${
        sentenceMarkup(detail, context)
      }</li>`
    )
  }</ul>`;
}

type Placed = ForensicsContext & { readonly resource: ResourceRef };

function timelinePanel(bundle: Bundle, context: Placed): Markup {
  const { chronology, completeness } = bundle;
  return panel({
    id: text`timeline`,
    title: text`Timeline`,
    aside: html`<span class="muted">newest first</span>`,
    body: chronology.length === 0
      ? html`<p class="muted">Nothing is on record. ${
        COMPLETENESS_SENTENCES[completeness.state]
      }</p>`
      : html`${
        timeline(chronology, { ...context, audit: context.open.audit })
      }${horizon(completeness.sources)}`,
  });
}

/** Where the timeline ends because older evidence is let go. */
function horizon(sources: readonly SourceCompleteness[]): Markup | null {
  const short = sources.filter(({ keptFrom }) => keptFrom !== null);
  if (short.length === 0) return null;
  return html`<ul class="horizon">${
    short.map(({ source, keptFrom }) =>
      html`<li>${SOURCES[source]}: nothing is kept from before ${
        timeExact(keptFrom)
      }.</li>`
    )
  }</ul>`;
}

function relatedPanel({ related }: Bundle, context: Placed): Markup {
  const items = related.map(({ title, summary, provenance }) =>
    html`
      <li>
        <p><strong>${sentenceMarkup(title, context)}</strong> ${provenanceLabel(
          provenance,
        )}</p>
        <p>${sentenceMarkup(summary, context)}</p>
      </li>
    `
  );
  return panel({
    id: text`related`,
    title: text`Related Evidence`,
    body: items.length === 0
      ? html`<p class="muted">There is none.</p>`
      : html`<ul class="related">${items}</ul>`,
  });
}

function linkedPanel({ linked }: Bundle, context: Placed): Markup {
  const { show, linkTo, paths, open } = context;
  const items = linked.map(({ relation, resource }) => {
    const href = linkTo(resource);
    const name = show("name", resource.id, resource);
    const evidence = paths.forensics({
      resource_type: resource.type,
      resource_id: resource.id,
    });
    return html`<li><span class="muted">${
      sentenceMarkup(relation, context)
    }:</span> ${
      href === null
        ? html`<span>${name}</span>`
        : html`<a href="${href}">${name}</a>`
    } ${
      open.forensics
        ? html`<a href="${evidence}">Open forensic timeline</a>`
        : null
    }</li>`;
  });
  return panel({
    id: text`linked`,
    title: text`Linked Resources`,
    body: items.length === 0
      ? html`<p class="muted">Nothing else is linked to it.</p>`
      : html`<ul class="linked">${items}</ul>`,
  });
}

const COLUMNS: readonly Column[] = [
  { label: text`Source` },
  { label: text`Completeness` },
  { label: text`Kept from` },
  { label: text`Found`, align: "end" },
];

function completenessPanel(
  { completeness }: Bundle,
  { paths }: ForensicsContext,
): Markup {
  const rows = completeness.sources.map((source) =>
    tableRow({
      columns: COLUMNS,
      cells: [
        text`${SOURCES[source.source]}`,
        completenessChip(source.state, paths),
        source.keptFrom === null
          ? html`<span class="muted">its beginning</span>`
          : timeExact(source.keptFrom),
        source.truncated
          ? html`${source.found} <span class="muted">newest</span>`
          : source.found,
      ],
    })
  );
  return panel({
    id: text`completeness`,
    title: text`Evidence Completeness`,
    aside: completenessChip(completeness.state, paths),
    body: html`
      <p>${COMPLETENESS_SENTENCES[completeness.state]}</p>
      ${rows.length === 0 ? null : dataTable({
        caption: text`Sources of evidence and since when each is kept`,
        columns: COLUMNS,
        rows,
      })}
    `,
  });
}

/** What was asked for, as it was understood, and a way to ask for another. */
function echo(
  { subject, seenAt }: Bundle,
  { paths, show, selectors }: ForensicsContext,
): Markup {
  const pairs = Object.entries(selectors).map(([name, value]) =>
    html`<li><code>${selectorName(name)}=${
      show("name", value, PAGE)
    }</code></li>`
  );
  return html`
    <footer class="page-foot">
      <div class="selectors">
        <span class="muted">Selectors</span>
        ${pairs.length === 0
          ? html`<span class="muted">none</span>`
          : html`<ul>${pairs}</ul>`}
        <span class="muted">seen ${timeExact(seenAt)}</span>
      </div>
      ${subject.resource === null
        ? null
        : html`<p><a href="${paths.forensics()}">Choose another subject</a></p>`}
    </footer>
  `;
}

function selectorName(name: string) {
  return SELECTOR_NAMES.find((known) => known === name) ?? "unknown";
}

const SELECTOR_NAMES = [
  "resource_type",
  "resource_id",
  "incident_fingerprint",
  "workflow_id",
  "step",
  "view",
] as const;
