import type { NextPath, PathTarget } from "../../domain/runbook.ts";
import {
  type Owner,
  type Posture as RunbookPosture,
  STEPS,
} from "../../domain/runbook_steps.ts";
import type { LinkTo } from "../links.ts";
import type { Paths } from "../paths.ts";
import { type Href, html, type Markup, type Shown } from "../render.ts";
import { ownershipBadge, type Posture, postureBadge } from "./badge.ts";

/** What a list of paths depends on. */
export interface PathContext {
  readonly paths: Paths;
  readonly linkTo: LinkTo;
  /** Pages that this actor may open. */
  readonly open: {
    readonly audit: boolean;
    readonly queues: boolean;
    readonly forensics: boolean;
  };
}

/** A runbook of the host, for this very thing. */
export interface HostRunbook {
  readonly label: Shown;
  readonly href: Href;
}

const VARIANTS = {
  native: "native_primary",
  bridge: "bridge_guidance",
  host: "host_guidance",
} as const satisfies Record<Owner, string>;

const BADGES = {
  audited_action: "audited",
  inspection_only: "inspection",
  host_owned: "host",
} as const satisfies Record<RunbookPosture, Posture>;

/** Paths in their order; whose they are comes before what they are. */
export function pathList(
  list: readonly NextPath[],
  context: PathContext & { readonly hostRunbook?: HostRunbook | null },
): Markup {
  const { paths, hostRunbook = null } = context;
  const own = hostRunbook && html`
    <li class="path" data-variant="${VARIANTS.host}">
      <span class="path-owner">${ownershipBadge("host", paths)} ${postureBadge(
        "host",
        paths,
      )}</span>
      <span class="path-label">The host's own runbook: ${hostRunbook
        .label}</span>
      <a class="button" href="${hostRunbook
        .href}" rel="noreferrer">Open path</a>
    </li>
  `;
  return html`<ol class="paths">${
    list.map((path) => item(path, context))
  }${own}</ol>`;
}

function item(path: NextPath, context: PathContext): Markup {
  const { paths } = context;
  const { owner, posture, step, intent } = path;
  const href = hrefOf(path.target, context);
  return html`
    <li class="path" data-variant="${VARIANTS[owner]}" data-intent="${intent}">
      <span class="path-owner">${ownershipBadge(owner, paths)} ${postureBadge(
        BADGES[posture],
        paths,
      )}</span>
      <span class="path-label">${STEPS[step].label}</span>
      ${href === null ? null : openPath(href, path)}
    </li>
  `;
}

/** Only an audited action of our own looks like a button to press. */
function openPath(href: Href, { owner, posture }: NextPath): Markup {
  const filled = owner === "native" && posture === "audited_action";
  return html`<a class="button" data-variant="${
    filled ? "primary" : "plain"
  }" href="${href}">Open path</a>`;
}

/** The page behind a target; `null` where there is none for this actor. */
export function hrefOf(
  target: PathTarget | null,
  { paths, linkTo, open }: PathContext,
): Href | null {
  if (target === null) return null;
  switch (target.page) {
    case "resource":
      return linkTo(target.resource);
    case "audit":
      return !open.audit
        ? null
        : target.resource === null
        ? paths.audit()
        : paths.audit({
          resource_type: target.resource.type,
          resource_id: target.resource.id,
        });
    case "forensics":
      return open.forensics ? paths.forensics() : null;
    case "executors":
      return open.queues ? paths.executors() : null;
  }
}
