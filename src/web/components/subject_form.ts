import { SUBJECT_TYPES } from "../../forensics/collect.ts";
import { RESOURCE_LABELS } from "../links.ts";
import type { Paths } from "../paths.ts";
import { echo, html, type Markup } from "../render.ts";

/** Picks what forensics is about: a GET form, so the answer has an address. */
export function subjectForm(
  { paths, type, id }: {
    readonly paths: Paths;
    readonly type: string | null;
    readonly id: string | null;
  },
): Markup {
  const options = SUBJECT_TYPES.map((known) =>
    html`
      <option value="${known}" ${known === type
        ? html`
          selected
        `
        : null}>${RESOURCE_LABELS[known]}</option>
    `
  );
  return html`
    <form class="filter" method="get" action="${paths
      .forensics()}" role="search">
      <div class="field">
        <label for="subject-type">What it is</label>
        <select id="subject-type" name="resource_type">${options}</select>
      </div>
      <div class="field">
        <label for="subject-id">Its id or name</label>
        <input id="subject-id" name="resource_id" type="text" value="${echo(
          id ?? "",
        )}"
          required autocomplete="off" spellcheck="false">
      </div>
      <div class="filter-buttons">
        <button class="button" type="submit">Show evidence</button>
      </div>
    </form>
  `;
}
