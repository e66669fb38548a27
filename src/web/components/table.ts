import { html, type Markup, type Plain, type Shown } from "../render.ts";

/** A column of a table. On a narrow screen its label stands before each value. */
export interface Column {
  readonly label: Plain;
  readonly align?: "start" | "end";
}

/** What can stand in a cell. */
export type Content = Markup | Shown | Plain | number | null;

/** A table of rows that {@linkcode tableRow} made. It becomes cards when narrow. */
export function dataTable(
  { caption, columns, rows, id = null }: {
    /** What the table lists, for people who do not see it. */
    readonly caption: Plain;
    readonly columns: readonly Column[];
    readonly rows: readonly Markup[];
    readonly id?: Plain | null;
  },
): Markup {
  return html`
    <div class="table-frame">
      <table class="table">
        <caption class="offscreen">${caption}</caption>
        <thead>
          <tr>${columns.map(headerCell)}</tr>
        </thead>
        <tbody${id === null ? null : html`
          id="${id}"
        `}>${rows}</tbody>
      </table>
    </div>
  `;
}

function headerCell({ label, align = "start" }: Column): Markup {
  return html`<th scope="col" data-align="${align}">${label}</th>`;
}

/** One row; `cells` are in the order of `columns`. The first names the row. */
export function tableRow(
  { columns, cells, id = null }: {
    readonly columns: readonly Column[];
    readonly cells: readonly Content[];
    readonly id?: Plain | null;
  },
): Markup {
  const inner = columns.map((column, index) => {
    const content = cells[index] ?? null;
    return index === 0
      ? html`<th scope="row">${content}</th>`
      : html`<td data-label="${column.label}" data-align="${
        column.align ?? "start"
      }">${content}</td>`;
  });
  return html`<tr${
    id === null ? null : html`
      id="${id}"
    `
  }>${inner}</tr>`;
}

/** Terms and what they are. A pair of `null` leaves no line. */
export function definitions(
  pairs: readonly (readonly [Plain, Content])[],
): Markup {
  return html`<dl class="definitions">${
    pairs.map(([term, content]) =>
      html`
        <div>
          <dt>${term}</dt>
          <dd>${content}</dd>
        </div>
      `
    )
  }</dl>`;
}
