import {
  CONTROL_STATUS_LABELS,
  type ControlStatus,
} from "../../domain/diagnosis.ts";
import type { Bucket } from "../../domain/overview.ts";
import type { Exemplar } from "../../domain/overview_exemplars.ts";
import type { LinkTo } from "../links.ts";
import type { Paths } from "../paths.ts";
import {
  type Href,
  html,
  type Markup,
  type Plain,
  type Show,
  type Shown,
  text,
} from "../render.ts";
import {
  type Ownership,
  ownershipBadge,
  type Posture,
  postureBadge,
  statusIcon,
  statusTone,
} from "./badge.ts";
import { countText } from "./count.ts";
import { icon } from "./icon.ts";
import { sentenceMarkup } from "./sentence.ts";

/** What a bucket's exemplars need besides their words. */
export interface BucketContext {
  readonly paths: Paths;
  readonly show: Show;
  readonly now: Date;
  readonly linkTo: LinkTo;
  /** `null` where the actor may not open forensics. */
  readonly forensicsOf: (exemplar: Exemplar) => Href | null;
  /** The host's own instructions, if it has some for this. */
  readonly runbookOf: (
    exemplar: Exemplar,
  ) => { readonly label: Shown; readonly href: Href } | null;
  readonly auditOpen: boolean;
}

/** Where a bucket leads, and its title when it holds more than "Resolved". */
export interface BucketLead {
  readonly label: Plain;
  readonly href: Href;
}

interface BucketLooks {
  readonly title: "Resolved Recently" | null;
  readonly ownership: Ownership;
  readonly posture: Posture;
}

const LOOKS = {
  needs_review: { title: null, ownership: "native", posture: "audited" },
  blocked: { title: null, ownership: "native", posture: "audited" },
  waiting: { title: null, ownership: "native", posture: "audited" },
  runnable: { title: null, ownership: "native", posture: "audited" },
  bridge_only: { title: null, ownership: "bridge", posture: "inspection" },
  resolved: {
    title: "Resolved Recently",
    ownership: "native",
    posture: "continuity",
  },
} as const satisfies Record<ControlStatus, BucketLooks>;

/**
 * One status: how much there is of it, why, at most three exemplars, and one way
 * on. Zero, unknown and not looked at read differently.
 */
export function bucketCard(
  bucket: Bucket,
  { context, leads }: {
    readonly context: BucketContext;
    readonly leads: readonly BucketLead[];
  },
): Markup {
  const { status, total, exemplars } = bucket;
  const { paths, show, now } = context;
  const { title, ownership, posture } = LOOKS[status];
  const isEmpty = total === null || total.count === 0;
  const why = sentenceMarkup(bucket.why, {
    show,
    now,
    resource: { type: "page", id: "overview" },
  });
  return html`
    <section class="bucket" data-tone="${statusTone(status)}"
      aria-labelledby="bucket-${status}" ${isEmpty
        ? html`
          data-empty
        `
        : null}>
      <header class="bucket-head">
        <h2 id="bucket-${status}">${icon(statusIcon(status), paths)}${title ??
          CONTROL_STATUS_LABELS[status]}</h2>
        <p class="bucket-count">${total === null
          ? html`<small class="muted">not counted</small>`
          : countText(total)}</p>
        <p class="bucket-why">${why}</p>
        <p class="bucket-badges">${ownershipBadge(
          ownership,
          paths,
        )} ${postureBadge(posture, paths)}</p>
      </header>
      ${exemplars.length > 0
        ? html`<ul class="exemplars">${
          exemplars.map((exemplar) => exemplarItem(exemplar, context))
        }</ul>`
        : quietNote(total)}
      ${leads.map((lead) =>
        html`<p class="bucket-foot"><a href="${lead.href}">${lead.label}${
          icon("arrow", paths)
        }</a></p>`
      )}
    </section>
  `;
}

/** Only where somebody looked: an unknown number is no good news. */
function quietNote(total: Bucket["total"]): Markup | null {
  if (total === null || total.count > 0) return null;
  return html`
    <div class="bucket-quiet">
      <h3>No historical attention needed</h3>
      <p>Neither the current state nor kept history points at a safe runbook path.</p>
    </div>
  `;
}

function exemplarItem(exemplar: Exemplar, context: BucketContext): Markup {
  const { show, now } = context;
  const { resource } = exemplar;
  const words = { show, now, resource };
  const href = context.linkTo(resource);
  const title = sentenceMarkup(exemplar.title, words);
  return html`
    <li>
      <p>${href === null ? title : html`<a href="${href}">${title}</a>`}</p>
      <p class="muted">${sentenceMarkup(exemplar.detail, words)}</p>
      ${exemplarLinks(exemplar, { context, href })}
    </li>
  `;
}

function exemplarLinks(
  exemplar: Exemplar,
  { context, href }: {
    readonly context: BucketContext;
    readonly href: Href | null;
  },
): Markup | null {
  const { paths } = context;
  const forensics = context.forensicsOf(exemplar);
  const runbook = context.runbookOf(exemplar);
  const event = context.auditOpen ? exemplar.auditId : undefined;
  const links = [
    event === undefined
      ? null
      : link(paths.auditEvent(event), text`Open audit event`),
    forensics && link(forensics, text`Open forensic timeline`),
    runbook && link(runbook.href, runbook.label),
  ].filter((each) => each !== null);
  if (links.length === 0 && href === null) return null;
  const all = links.length > 0
    ? links
    : [href && link(href, text`Review exemplar`)];
  return html`<p class="exemplar-links">${all}</p>`;
}

function link(href: Href, label: Plain | Shown): Markup {
  return html`<a href="${href}">${label}</a>`;
}
