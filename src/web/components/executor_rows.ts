import type { ExecutorStatus } from "../../store/queue_status.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup, type Plain, type Show, text } from "../render.ts";
import { numberText } from "./count.ts";
import { healthBadge } from "./health_badge.ts";
import { emptyState } from "./panel.ts";
import { type Column, dataTable, tableRow } from "./table.ts";
import { timeBoth } from "./time.ts";

const COLUMNS: readonly Column[] = [
  { label: text`Executor` },
  { label: text`Health` },
  { label: text`Last heartbeat` },
  { label: text`Started` },
  { label: text`Executing`, align: "end" },
];

/** The processes that run jobs, the freshest heartbeat first. */
export function executorTable(
  executors: readonly ExecutorStatus[],
  { show, paths, now, caption }: {
    readonly show: Show;
    readonly paths: Paths;
    readonly now: Date;
    readonly caption: Plain;
  },
): Markup {
  if (executors.length === 0) {
    return emptyState({
      title: text`No executor`,
      body: text`No live process serves it. Its jobs wait until one starts.`,
    });
  }
  const rows = executors.map((executor) => {
    const resource = { type: "page", id: "queues" } as const;
    const { id, health, beatAt, startedAt, executing } = executor;
    const runtime = show("name", executor.runtime, resource);
    return tableRow({
      columns: COLUMNS,
      id: text`executor-${id}`,
      cells: [
        html`
          <div
            class="job-cell"><span>${show(
              "name",
              executor.name,
              resource,
            )}</span><span class="muted">#${id}, ${runtime}, knows ${workers(
              executor,
            )}</span></div>
        `,
        healthBadge(health, { paths }),
        timeBoth(beatAt, now),
        timeBoth(startedAt, now),
        numberText(executing),
      ],
    });
  });
  return dataTable({ caption, columns: COLUMNS, rows });
}

function workers({ workers: { length } }: ExecutorStatus): Plain {
  return length === 1 ? text`1 worker` : text`${length} workers`;
}

/** How many processes serve a queue, and how they are. */
export function healthSummary(
  executors: readonly ExecutorStatus[],
  paths: Paths,
): Markup {
  if (executors.length === 0) return html`<span class="muted">None</span>`;
  const parts = (["healthy", "late", "missing"] as const).map((health) => {
    const count = executors.filter((each) => each.health === health).length;
    return count === 0 ? null : healthBadge(health, { count, paths });
  });
  return html`<span class="health-counts">${parts}</span>`;
}
