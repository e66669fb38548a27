import { Hono } from "hono";
import type { ResourceRef } from "../../seams.ts";
import {
  explainQueue,
  type QueueExplanation,
} from "../../domain/explain_queue.ts";
import { readQueueFacts } from "../../store/explain_queue.ts";
import {
  type ExecutorStatus,
  listExecutorStatus,
  listQueueStatus,
  type QueueStatus,
} from "../../store/queue_status.ts";
import type { QueueContext, ServedQueue } from "../components/queue_rows.ts";
import { type Env, type PageContext, wantsFragment } from "../env.ts";
import { missingPage } from "../errors.ts";
import { linksFor } from "../links.ts";
import { requires } from "../middleware.ts";
import { page } from "../page.ts";
import { nameOf } from "../paths.ts";
import { executorsLive, executorsPage } from "../pages/executors_page.ts";
import { queueLive, queuePage } from "../pages/queue_page.ts";
import { queuesLive, queuesPage } from "../pages/queues_page.ts";
import { text } from "../render.ts";

const QUEUES: ResourceRef = { type: "page", id: "queues" };
const viewQueues = requires("view_queues", () => QUEUES);

/** Routes of the queues, and of the executors that serve them. */
export function queuesRoutes(): Hono<Env> {
  return new Hono<Env>()
    .get("/queues", viewQueues, showQueues)
    .get("/queues/:name", viewQueues, showQueue)
    .get("/executors", viewQueues, showExecutors);
}

async function showQueues(c: PageContext): Promise<Response> {
  const { db } = c.var;
  const executors = await listExecutorStatus(db);
  const queues = await Promise.all(
    (await listQueueStatus(db)).map((queue) => served(c, { queue, executors })),
  );
  const readOnly = isReadOnly(queues);
  const context = await queueContext(c);
  const content = { queues, executors, readOnly };
  if (wantsFragment(c)) return c.html(String(queuesLive(content, context)));
  return await page(c, {
    title: text`Queues`,
    active: "queues",
    readOnly,
    body: queuesPage(content, context),
  });
}

async function showQueue(c: PageContext): Promise<Response> {
  const { db, show, may } = c.var;
  const name = nameOf(c.req.param("name") ?? "");
  const resource: ResourceRef = { type: "queue", id: name };
  const [queue] = isStorable(name) ? await listQueueStatus(db, { name }) : [];
  if (queue === undefined) {
    return await missingPage(c, {
      what: text`queue`,
      name: show("name", name, resource),
    });
  }
  const executors = await listExecutorStatus(db);
  const one = await served(c, { queue, executors });
  const facts = await readQueueFacts(db, name);
  const readOnly = isReadOnly([one]);
  const content = {
    served: one,
    facts,
    explanation: explainQueue(facts),
    readOnly,
    mayOpen: {
      forensics: await may("view_forensics", { type: "page", id: "forensics" }),
      audit: await may("view_audit", { type: "page", id: "audit" }),
    },
  };
  const context = {
    ...await queueContext(c),
    linkTo: await linksFor(c, namedBy(content.explanation)),
  };
  if (wantsFragment(c)) return c.html(String(queueLive(content, context)));
  return await page(c, {
    title: show("name", name, resource),
    active: "queues",
    readOnly,
    body: queuePage(content, context),
  });
}

/** The limiters that its reasons name, and the jobs that hold them. */
function namedBy({ reasons }: QueueExplanation): readonly ResourceRef[] {
  return reasons.flatMap(({ reason: { evidence } }): ResourceRef[] => [
    ..."limiter" in evidence
      ? [{ type: "limiter", id: evidence.limiter } as const]
      : [],
    ..."holders" in evidence
      ? evidence.holders.flatMap((holder) =>
        typeof holder === "string" ? [{ type: "job", id: holder } as const] : []
      )
      : [],
  ]);
}

async function showExecutors(c: PageContext): Promise<Response> {
  const executors = await listExecutorStatus(c.var.db);
  if (wantsFragment(c)) return c.html(String(executorsLive(executors, c.var)));
  return await page(c, {
    title: text`Executors`,
    active: "queues",
    body: executorsPage(executors, c.var),
  });
}

/** No queue has a name that the database can not hold. */
function isStorable(name: string): boolean {
  return name.length <= 128 && !name.includes("\0");
}

async function served(
  c: PageContext,
  { queue, executors }: {
    readonly queue: QueueStatus;
    readonly executors: readonly ExecutorStatus[];
  },
): Promise<ServedQueue> {
  const { may } = c.var;
  const resource: ResourceRef = { type: "queue", id: queue.name };
  return {
    queue,
    executors: executors.filter(({ queues }) => queues.includes(queue.name)),
    may: {
      pause_queue: await may("pause_queue", resource),
      resume_queue: await may("resume_queue", resource),
      scale_queue: await may("scale_queue", resource),
    },
  };
}

/** Nothing can be changed on any of them. */
function isReadOnly(queues: readonly ServedQueue[]): boolean {
  return queues.length > 0 &&
    queues.every(({ may }) => Object.values(may).every((yes) => !yes));
}

async function queueContext(c: PageContext): Promise<QueueContext> {
  const { show, paths, now, formToken, may } = c.var;
  const mayOpenJobs = await may("view_jobs", { type: "page", id: "jobs" });
  return { show, paths, now, formToken, mayOpenJobs };
}
