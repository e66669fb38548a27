import type { ExecutorStatus } from "../../store/queue_status.ts";
import { executorTable } from "../components/executor_rows.ts";
import type { Paths } from "../paths.ts";
import { html, type Markup, type Show, text } from "../render.ts";

interface ExecutorContext {
  readonly show: Show;
  readonly paths: Paths;
  readonly now: Date;
}

/** The processes that run jobs, and how they are. */
export function executorsPage(
  executors: readonly ExecutorStatus[],
  context: ExecutorContext,
): Markup {
  return html`
    <header class="page-head">
      <div>
        <p class="crumbs"><a href="${context.paths.queues()}">Queues</a></p>
        <h1>Executors</h1>
        <p>
          A process that runs jobs says every few seconds that it is alive. What
          a missing one held is given to others.
        </p>
      </div>
    </header>
    ${executorsLive(executors, context)}
  `;
}

/** The part of the page that refreshes itself. */
export function executorsLive(
  executors: readonly ExecutorStatus[],
  context: ExecutorContext,
): Markup {
  return html`
    <div class="stack" id="executors-live" hx-get="${context.paths.executors()}"
      hx-trigger="every 5s" hx-swap="outerMorph">
      ${executorTable(executors, { ...context, caption: text`Executors` })}
    </div>
  `;
}
