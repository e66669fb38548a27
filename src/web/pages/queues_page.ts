import type { ExecutorStatus } from "../../store/queue_status.ts";
import { executorTable } from "../components/executor_rows.ts";
import { emptyState, panel, readOnlyBanner } from "../components/panel.ts";
import {
  type QueueContext,
  queueTable,
  type ServedQueue,
} from "../components/queue_rows.ts";
import { html, type Markup, text } from "../render.ts";

/** What the page of all queues shows. */
export interface QueuesPage {
  readonly queues: readonly ServedQueue[];
  readonly executors: readonly ExecutorStatus[];
  readonly readOnly: boolean;
}

/** All queues, and the processes that serve them. */
export function queuesPage(page: QueuesPage, context: QueueContext): Markup {
  return html`
    <header class="page-head">
      <div>
        <h1>Queues</h1>
        <p>
          Where jobs wait. A pause or a limit holds on every executor within a
          second, and lasts until somebody takes it back.
        </p>
      </div>
    </header>
    ${page.readOnly
      ? readOnlyBanner(text`You may look at queues, and not change them.`)
      : null} ${queuesLive(page, context)}
  `;
}

/** The part of the page that refreshes itself. */
export function queuesLive(
  { queues, executors }: QueuesPage,
  context: QueueContext,
): Markup {
  const { paths } = context;
  const table = queues.length === 0
    ? emptyState({
      title: text`No queue is on record`,
      body: text`A host declares its queues when it starts its engine.`,
    })
    : queueTable(queues, context);
  const caption = text`Executors`;
  return html`
    <div class="stack" id="queues-live" hx-get="${paths
      .queues()}" hx-trigger="every 5s"
      hx-swap="outerMorph">
      ${table}
      ${panel({
        id: text`executors`,
        title: caption,
        body: executorTable(executors, { ...context, caption }),
      })}
    </div>
  `;
}
