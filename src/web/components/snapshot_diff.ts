import type { Snapshot } from "../../domain/preview.ts";
import type { ResourceRef } from "../../seams.ts";
import {
  html,
  type Markup,
  type Plain,
  type Show,
  type Shown,
} from "../render.ts";
import { jsonView } from "./json_view.ts";

/** Two snapshots of one thing, and which names differ. */
export interface SnapshotDiff {
  readonly caption: Plain;
  readonly headings: readonly [Plain, Plain];
  readonly before: Snapshot;
  readonly after: Snapshot;
  /** Computed from the values themselves, not from what may be shown of them. */
  readonly changed: readonly string[];
}

/**
 * A table of before and after, as far as the display policy shows it. What
 * changed stands first and says so in a word.
 */
export function snapshotDiff(
  diff: SnapshotDiff,
  { show, target }: { readonly show: Show; readonly target: ResourceRef },
): Markup {
  const before = show.fields("snapshot", diff.before, target);
  const after = show.fields("snapshot", diff.after, target);
  if (before === null || after === null) {
    return asBlocks(diff, { show, target });
  }

  const names = [...new Set([...before.keys(), ...after.keys()])];
  const changed = names.filter((name) => diff.changed.includes(name));
  const same = names.filter((name) => !diff.changed.includes(name));
  const table = (rows: readonly Shown[]) =>
    diffTable(diff, { rows, before, after });
  return html`
    <div class="diffs">
      ${changed.length === 0
        ? html`<p class="muted">None of these fields differs.</p>`
        : table(changed)}
      ${same.length === 0
        ? null
        : html`<details><summary>Fields that stay as they are: ${same.length}</summary>${
          table(same)
        }</details>`}
    </div>
  `;
}

function diffTable(
  { caption, headings, changed }: SnapshotDiff,
  { rows, before, after }: {
    readonly rows: readonly Shown[];
    readonly before: ReadonlyMap<Shown, Shown>;
    readonly after: ReadonlyMap<Shown, Shown>;
  },
): Markup {
  const [left, right] = headings;
  const isChanged = (name: Shown) => changed.includes(name);
  return html`
    <div class="table-frame">
      <table class="diff">
        <caption class="offscreen">${caption}</caption>
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col">${left}</th>
            <th scope="col">${right}</th>
          </tr>
        </thead>
        <tbody>
          ${rows.map((name) =>
            html`
              <tr${isChanged(name)
                ? html`
                  data-changed
                `
                : null}>
                <th scope="row">${name}</th>
                <td>${value(before.get(name))}</td>
                <td>${value(after.get(name))}${isChanged(name)
                  ? html`<span class="changed">changes</span>`
                  : null}</td>
                </tr>
            `
          )}
        </tbody>
      </table>
    </div>
  `;
}

/** Nothing there is a dash, whether it is `null` or was never told. */
function value(shown: Shown | undefined): Markup {
  return shown === undefined || shown === "null"
    ? html`<span class="muted">–</span>`
    : html`${shown}`;
}

function asBlocks(
  { headings, before, after }: SnapshotDiff,
  { show, target }: { readonly show: Show; readonly target: ResourceRef },
): Markup {
  const [left, right] = headings;
  return html`
    <div class="stack">
      <div><h2>${left}</h2>${jsonView(
        show.block("snapshot", before, target),
      )}</div>
      <div><h2>${right}</h2>${jsonView(
        show.block("snapshot", after, target),
      )}</div>
    </div>
  `;
}
