import type { Action } from "../../domain/action.ts";
import type { Paths } from "../paths.ts";
import type { Href, Markup, Plain, Shown } from "../render.ts";
import { echo, html } from "../render.ts";

/** The field that proves that our own page made a form for this actor. */
export function formTokenField(formToken: Plain): Markup {
  return html`<input type="hidden" name="form_token" value="${formToken}">`;
}

/** What {@linkcode previewButton} needs. */
export interface PreviewButton {
  readonly action: Action;
  /** The id of the target itself, such as the name of a cron entry. */
  readonly targetId: string;
  /** The words on the button; they end in `…`, for it asks before it acts. */
  readonly label: Plain;
  /** Why it can not be used; it is then disabled and says so. */
  readonly disabled?: Plain | null;
  /** Further fields of the preview, such as a new limit. */
  readonly params?: readonly (readonly [string, string])[];
  /** A control that the person fills in, such as the new limit. */
  readonly field?: Markup | null;
  readonly variant?: "plain" | "danger";
}

/**
 * Opens the preview of an action: a page without script, a dialog with htmx.
 * One form for all actions, so that nothing acts without a preview.
 */
export function previewButton(
  button: PreviewButton,
  { paths, formToken }: { readonly paths: Paths; readonly formToken: Plain },
): Markup {
  const { disabled = null, variant = "plain" } = button;
  if (disabled !== null) {
    return html`
      <span
        class="action-off"><button class="button" type="button" disabled>${button
          .label}</button> <span class="muted">${disabled}</span></span>
    `;
  }
  return html`
    <form
      class="action"
      method="post"
      action="${paths.previews()}"
      hx-post="${paths.previews()}"
      hx-target="#dialog"
      hx-sync="this:drop"
      hx-disable="find button"
    >
      ${formTokenField(formToken)}
      <input type="hidden" name="action" value="${button.action}">
      <input type="hidden" name="target_id" value="${echo(button.targetId)}">
      ${(button.params ?? []).map(([name, value]) =>
        html`<input type="hidden" name="param_${echo(name)}" value="${
          echo(value)
        }">`
      )}
      ${button.field ?? null}
      <button class="button" type="submit" data-variant="${variant}">${button
        .label}</button>
    </form>
  `;
}

/** One control of a filter. */
export type FilterField =
  | {
    readonly kind: "text";
    readonly name: Plain;
    readonly label: Plain;
    readonly value: string | null;
    readonly hint?: Plain;
    /** Why the value can not be used. */
    readonly error?: Plain | null;
  }
  | {
    readonly kind: "choice";
    readonly name: Plain;
    readonly label: Plain;
    readonly value: string | null;
    /** What is sent, and how it is shown. */
    readonly options: readonly (readonly [string, Shown | Plain])[];
  }
  | { readonly kind: "kept"; readonly name: Plain; readonly value: string };

/** A filter is a GET form: its state is the URL. */
export function filterForm(
  { action, clear, fields }: {
    readonly action: Href;
    /** Where nothing is filtered; `null` when that is here. */
    readonly clear: Href | null;
    readonly fields: readonly FilterField[];
  },
): Markup {
  return html`
    <form class="filter" method="get" action="${action}" role="search">
      ${fields.map(filterField)}
      <div class="filter-buttons">
        <button class="button" type="submit">Filter</button>
        ${clear &&
          html`<a class="button" data-variant="quiet" href="${clear}">Clear</a>`}
      </div>
    </form>
  `;
}

function filterField(field: FilterField): Markup {
  if (field.kind === "kept") {
    return html`<input type="hidden" name="${field.name}" value="${
      echo(field.value)
    }">`;
  }
  const control = field.kind === "choice"
    ? html`
      <select id="filter-${field.name}"
        name="${field.name}"><option value="">any</option>${field.options.map((
          [value, label],
        ) =>
          html`
            <option value="${echo(value)}" ${value === field.value
              ? html`
                selected
              `
              : null}>${label}</option>
          `
        )}</select>
    `
    : textControl(field);
  return html`
    <div
      class="field"><label for="filter-${field.name}">${field
        .label}</label>${control}</div>
  `;
}

function textControl(field: FilterField & { readonly kind: "text" }): Markup {
  const { name, value, hint = null, error = null } = field;
  const input = html`
    <input id="filter-${name}" name="${name}" type="text"
      value="${echo(value ?? "")}" autocomplete="off" spellcheck="false"
      ${hint && html`
        placeholder="${hint}"
      `}${error && html`
        aria-invalid="true" aria-describedby="filter-${name}-error"
      `}>
  `;
  if (error === null) return input;
  return html`${input}<p class="field-error" id="filter-${name}-error">${error}</p>`;
}
