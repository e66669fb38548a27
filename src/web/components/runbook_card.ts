import { DIAGNOSES } from "../../domain/diagnosis.ts";
import {
  BOUNDARIES,
  CAUTIONS,
  PREREQUISITES,
  type PrerequisiteState,
  type RunbookEntry,
} from "../../domain/runbook.ts";
import { html, type Markup, text } from "../render.ts";
import { completenessChip } from "./evidence.ts";
import { type Icon, icon } from "./icon.ts";
import { panel } from "./panel.ts";
import { type HostRunbook, type PathContext, pathList } from "./path_list.ts";

/** Advice for a diagnosis: what must be so, what to mind, and in which order. */
export function runbookCard(
  entry: RunbookEntry,
  context: PathContext & {
    readonly hostRunbook: HostRunbook | null;
    /** What an operator last did, as a block; null for nothing. */
    readonly continuity: Markup | null;
  },
): Markup {
  const { paths } = context;
  const { title, why } = DIAGNOSES[entry.diagnosis];
  return panel({
    id: text`runbook`,
    title: text`Open runbook entry`,
    aside: html`<span class="muted">Advice for “${title}”</span>`,
    body: html`
      <p>${why}</p>
      ${context.continuity}
      <h3>Prerequisites</h3>
      <ul class="checks">${entry.prerequisites.map((one) =>
        prerequisite(one, context)
      )}</ul>
      ${cautions(entry, context)}
      <h3>Recommended order</h3>
      ${entry.paths.length === 0 && context.hostRunbook === null
        ? html`<p class="muted">No path leads on from here.</p>`
        : pathList(entry.paths, context)}
      <h3>Unsupported boundaries</h3>
      <ul class="bullets">${entry.boundaries.map((code) =>
        html`<li>${BOUNDARIES[code]}</li>`
      )}</ul>
      <p
        class="row"><span class="muted">This advice rests on</span> ${completenessChip(
          entry.completeness,
          paths,
        )} <span class="muted">evidence.</span></p>
    `,
  });
}

const STATES = {
  met: ["check", "good", "Met"],
  missing: ["cross", "bad", "Missing"],
  unknown: ["ring", "quiet", "Unknown"],
} as const satisfies Record<
  PrerequisiteState,
  readonly [Icon, string, string]
>;

function prerequisite(
  { code, state }: RunbookEntry["prerequisites"][number],
  { paths }: PathContext,
): Markup {
  const [picture, tone, word] = STATES[state];
  const words = PREREQUISITES[code];
  return html`
    <li
      data-tone="${tone}">${icon(
        picture,
        paths,
      )}<span><strong>${word}:</strong> ${words
        .label}. <span class="muted">${words[
          state
        ]}</span></span></li>
  `;
}

function cautions(
  { cautions: codes }: RunbookEntry,
  { paths }: PathContext,
): Markup | null {
  if (codes.length === 0) return null;
  const items = codes.map((code) => {
    const { severity, label, detail } = CAUTIONS[code];
    const warns = severity === "warning";
    return html`
      <li
        data-tone="${warns ? "retryable" : "quiet"}">${icon(
          warns ? "alert" : "eye",
          paths,
        )}<span><strong>${label}.</strong> <span class="muted">${detail}</span></span></li>
    `;
  });
  return html`
    <h3>Cautions</h3>
    <ul class="checks">${items}</ul>
  `;
}
