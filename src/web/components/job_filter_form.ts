import {
  JOB_FILTER_PROBLEMS,
  type JobFilterField,
} from "../../domain/job_filter.ts";
import type { KnownNames } from "../../store/queue_status.ts";
import { isNarrowed, type JobQuery } from "../job_query.ts";
import type { Paths } from "../paths.ts";
import {
  echo,
  html,
  type Markup,
  type Plain,
  type Show,
  text,
} from "../render.ts";

interface Field {
  readonly name: JobFilterField;
  readonly label: Plain;
  readonly hint: Plain;
  readonly names?: keyof KnownNames;
  readonly isJson?: true;
}

const FIELDS: readonly Field[] = [
  {
    name: "queue",
    label: text`Queue`,
    hint: text`exact name`,
    names: "queues",
  },
  {
    name: "worker",
    label: text`Worker`,
    hint: text`name or start*`,
    names: "workers",
  },
  { name: "tags", label: text`Tags`, hint: text`vip, eu` },
  {
    name: "args",
    label: text`Args contain`,
    hint: text`{"customer": 42}`,
    isJson: true,
  },
  {
    name: "meta",
    label: text`Meta contains`,
    hint: text`{"source": "shop"}`,
    isJson: true,
  },
];
// Asked for by links of the cron pages; a field for it would be one too many.
const CRON: Field = {
  name: "cron",
  label: text`Cron entry`,
  hint: text`exact name`,
};

/** What the form is made from. */
export interface JobFilterForm {
  readonly query: JobQuery;
  readonly known: KnownNames;
}

/** Narrows a list of jobs. A GET form: what it asks for stands in the address. */
export function jobFilterForm(
  form: JobFilterForm,
  context: { readonly paths: Paths; readonly show: Show },
): Markup {
  const { query } = form;
  const { paths } = context;
  const clear = isNarrowed(query)
    ? html`<a class="button" data-variant="quiet" href="${
      paths.jobs({ state: query.state })
    }">Clear filters</a>`
    : null;
  return html`
    <form class="filter" method="get" action="${paths.jobs()}" role="search"
      aria-label="Filter jobs">
      <input type="hidden" name="state" value="${query.state}">
      ${[...FIELDS, ...query.typed.cron === undefined ? [] : [CRON]]
        .map((field) => filterField(field, form))}
      <div class="filter-buttons">
        <button class="button" type="submit">Filter</button>
        ${clear}
      </div>
      ${suggestions(form.known, context.show)}
    </form>
  `;
}

function filterField(field: Field, { query }: JobFilterForm): Markup {
  const { name, label, hint, names, isJson } = field;
  const problem = query.problems[name];
  const typed = query.typed[name];
  const list = names && html`
    list="known-${names}"
  `;
  const invalid = problem &&
    html`
      aria-invalid="true" aria-describedby="filter-${name}-error"
    `;
  return html`
    <div class="field">
      <label for="filter-${name}">${label}</label>
      <input type="text" id="filter-${name}" name="${name}" value="${typed ===
          undefined
        ? null
        : echo(
          typed,
        )}" placeholder="${hint}" autocomplete="off" autocapitalize="none" spellcheck="false"${isJson
        ? html`
          class="mono"
        `
        : null}${list ?? null}${invalid ?? null}>
      ${problem === undefined
        ? null
        : html`<p class="field-error" id="filter-${name}-error">${
          JOB_FILTER_PROBLEMS[problem]
        }</p>`}
    </div>
  `;
}

/** Names that processes have declared. A name that is not here works as well. */
function suggestions(known: KnownNames, show: Show): Markup[] {
  const page = { type: "page", id: "jobs" } as const;
  return (["queues", "workers"] as const).map((names) =>
    html`<datalist id="known-${names}">${
      known[names].map((name) =>
        html`<option value="${show("name", name, page)}"></option>`
      )
    }</datalist>`
  );
}
