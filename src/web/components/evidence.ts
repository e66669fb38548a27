import {
  type Completeness,
  COMPLETENESS_LABELS,
  type Provenance,
  PROVENANCE_LABELS,
} from "../../domain/evidence.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup } from "../render.ts";
import { badge, type Tone } from "./badge.ts";
import type { Icon } from "./icon.ts";

const COMPLETENESS_LOOKS = {
  complete: ["good", "check"],
  partial: ["retryable", "alert"],
  history_unavailable: ["quiet", "clock"],
  unknown: ["quiet", "ring"],
} as const satisfies Record<Completeness, readonly [Tone, Icon]>;

/** How much of the evidence is there, in a word. */
export function completenessChip(
  completeness: Completeness,
  paths: Paths,
): Markup {
  const [tone, picture] = COMPLETENESS_LOOKS[completeness];
  const label = html`${COMPLETENESS_LABELS[completeness]}`;
  return badge({ tone, icon: picture, label }, paths);
}

/** Where a piece of evidence comes from, in a word. */
export function provenanceLabel(provenance: Provenance): Markup {
  return html`<span class="provenance" data-provenance="${provenance}">${
    PROVENANCE_LABELS[provenance]
  }</span>`;
}
