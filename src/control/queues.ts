import type { Database } from "../db/database.ts";
import type { ActionParams, Snapshot } from "../domain/preview.ts";
import {
  lockQueue,
  pauseQueue,
  type Queue,
  resumeQueue,
  scaleQueue,
} from "../store/queues.ts";
import type { Acted, Outlook, Plan } from "./plan.ts";
import { type Refused, refused } from "./refusal.ts";

/** The smallest and the largest limit of a queue; the table holds no other. */
const LIMIT_MIN = 1;
const LIMIT_MAX = 10_000;

/** The plans of what can be done to a queue. */
export const QUEUE_PLANS: Readonly<
  Record<"pause_queue" | "resume_queue" | "scale_queue", Plan>
> = {
  pause_queue: planPause,
  resume_queue: planResume,
  scale_queue: planScale,
};

async function planPause(tx: Database, { targetId }: { targetId: string }) {
  const queue = await lockQueue(tx, targetId);
  if (queue === null) return null;
  const before = snapshot(queue);
  return {
    facts: queue,
    before,
    outlook: queue.pausedAt === null
      ? would(`Pause queue ${queue.name}`, { ...before, paused: true })
      : refused("wrong_state", {
        message: "The queue is already paused.",
        legalNextSteps: ["resume_queue", "reload"],
      }),
    async act(principal: { readonly id: string }) {
      const name = queue.name;
      return done(await pauseQueue(tx, { name, principal: principal.id }));
    },
  };
}

async function planResume(tx: Database, { targetId }: { targetId: string }) {
  const queue = await lockQueue(tx, targetId);
  if (queue === null) return null;
  const before = snapshot(queue);
  const after = { ...before, paused: false, pausedAt: null, pausedBy: null };
  return {
    facts: queue,
    before,
    outlook: queue.pausedAt !== null
      ? would(`Resume queue ${queue.name}`, after)
      : refused("wrong_state", {
        message: "The queue is not paused.",
        legalNextSteps: ["pause_queue", "reload"],
      }),
    async act() {
      return done(await resumeQueue(tx, { name: queue.name }));
    },
  };
}

async function planScale(
  tx: Database,
  { targetId, params }: { targetId: string; params: ActionParams },
) {
  const queue = await lockQueue(tx, targetId);
  if (queue === null) return null;
  const before = snapshot(queue);
  const limit = typeof params.limit === "number" ? params.limit : null;
  const after = {
    ...before,
    limit: limit ?? queue.declaredLimit,
    chosenLimit: limit,
  };
  const summary = limit === null
    ? `Give queue ${queue.name} the limit that code declares`
    : `Limit queue ${queue.name} to ${limit} jobs at a time in each executor`;
  return {
    facts: queue,
    before,
    outlook: limit !== queue.chosenLimit
      ? would(summary, after)
      : refused("wrong_state", {
        message: "The queue has this limit already.",
        legalNextSteps: ["scale_queue", "reload"],
      }),
    async act() {
      return done(await scaleQueue(tx, { name: queue.name, limit }));
    },
  };
}

/**
 * Reads the limit of a queue, also as the text of a form.
 *
 * @param limit `null` or blank text takes the operator's choice back: the limit
 * that code declares holds again.
 */
export function parseLimit(
  limit: unknown,
): { readonly ok: true; readonly params: ActionParams } | Refused {
  if (limit === null) return { ok: true, params: { limit: null } };
  const text = typeof limit === "string" ? limit.trim() : null;
  if (text === "") return { ok: true, params: { limit: null } };

  const number = text === null || !/^\d{1,6}$/.test(text)
    ? limit
    : Number(text);
  if (
    typeof number !== "number" || !Number.isInteger(number) ||
    number < LIMIT_MIN || number > LIMIT_MAX
  ) {
    return refused("invalid_input", {
      message: "The limit must be a whole number from 1 to 10000, or empty " +
        "for the one that code declares.",
    });
  }
  return { ok: true, params: { limit: number } };
}

function snapshot(queue: Queue): Snapshot {
  return {
    name: queue.name,
    paused: queue.pausedAt !== null,
    pausedAt: queue.pausedAt?.toISOString() ?? null,
    pausedBy: queue.pausedBy,
    limit: queue.chosenLimit ?? queue.declaredLimit,
    declaredLimit: queue.declaredLimit,
    chosenLimit: queue.chosenLimit,
  };
}

function would(summary: string, after: Snapshot): Outlook {
  return { ok: true, after, summary };
}

function done(queue: Queue | null): Acted | null {
  if (queue === null) return null;
  return { after: snapshot(queue), result: {}, notices: [{ t: "queues" }] };
}
