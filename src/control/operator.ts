import type { Action } from "../domain/action.ts";
import type { Actor } from "../seams.ts";
import { closePreview } from "../store/previews.ts";
import type { Control, Via } from "./control.ts";
import {
  type Executed,
  type ExecutePreview,
  executePreview,
} from "./execution.ts";
import type { PreviewRef } from "./own_preview.ts";
import {
  type CreatedPreview,
  type CreatePreview,
  createPreview,
  findPreview,
  type FoundPreview,
  withdrawPreview,
} from "./preview.ts";
import type { Refused } from "./refusal.ts";

/** An action in one call: what a preview asks for, and the reason. */
export interface DoAction {
  /** For whom it is done: they need the permission, and a name in the audit. */
  readonly actor: Actor;
  /** What to do. */
  readonly action: Action;
  /** The name of a cron entry, queue or limiter, or the id of a job. */
  readonly targetId: string;
  /** Such as, for `scale_queue`: `{ limit: 1 … 10000 | null }`. */
  readonly params?: unknown;
  /** Jobs need one of at least 8 characters. */
  readonly reason?: string | null;
}

/** Which cron entry, queue or limiter to act on, who asks, and why. */
export interface NamedCall {
  /** For whom it is done: they need the permission, and a name in the audit. */
  readonly actor: Actor;
  /** Its name. */
  readonly name: string;
  /** Up to 2,000 characters. */
  readonly reason?: string | null;
}

/** Which job to act on, who asks, and why. */
export interface JobCall {
  /** For whom it is done: they need the permission, and a name in the audit. */
  readonly actor: Actor;
  /** The job, as `enqueue` gave its id. */
  readonly jobId: string;
  /** 8 to 2,000 characters. */
  readonly reason: string;
}

/**
 * Does from code what the pages do, with the same permission, previews, reasons
 * and audit events.
 *
 * Nothing here throws for what is refused: look at `ok`.
 */
export interface OperatorApi {
  /** Shows what would happen and returns the token to execute it with. */
  preview(asked: Omit<CreatePreview, "via">): Promise<CreatedPreview | Refused>;
  /**
   * What became of a preview, for the actor who made it. It changes nothing.
   */
  find(ref: Omit<PreviewRef, "via">): Promise<FoundPreview | Refused>;
  /**
   * Does what a preview shows, once. If its target has changed meanwhile,
   * nothing is done and it is refused as `preview_drifted`.
   */
  execute(asked: Omit<ExecutePreview, "via">): Promise<Executed | Refused>;
  /** Gives a preview up, so that nobody can execute it any more. */
  withdraw(
    ref: Omit<PreviewRef, "via">,
  ): Promise<{ readonly ok: true } | Refused>;

  /** Preview and execution in one call; nothing is left open if it is refused. */
  do(asked: DoAction): Promise<Executed | Refused>;

  /** No further instant of it fires until it is resumed; its jobs go on. */
  pauseCronEntry(call: NamedCall): Promise<Executed | Refused>;
  /** It fires again from its next planned instant. */
  resumeCronEntry(call: NamedCall): Promise<Executed | Refused>;
  /** `result` has the decision and the id of the job, if there is one. */
  runCronEntry(call: NamedCall): Promise<Executed | Refused>;
  /** Nothing more of it is claimed until it is resumed; what runs goes on. */
  pauseQueue(call: NamedCall): Promise<Executed | Refused>;
  /** It is claimed from again, at once. */
  resumeQueue(call: NamedCall): Promise<Executed | Refused>;
  /** `null` takes the choice back: the limit that code declares holds again. */
  scaleQueue(
    call: NamedCall & { readonly limit: number | null },
  ): Promise<Executed | Refused>;
  /** All keys, or one. The reason is told to whoever asks why a job waits. */
  coolDownLimiter(
    call: NamedCall & {
      readonly reason: string;
      readonly forMs: number;
      readonly key?: string;
    },
  ): Promise<Executed | Refused>;
  /** Ends a cooldown early: of all keys, or of one. */
  clearLimiterCooldown(
    call: NamedCall & { readonly key?: string },
  ): Promise<Executed | Refused>;
  /** `null` takes the choice back: the capacity that code declares holds again. */
  scaleLimiter(
    call: NamedCall & { readonly capacity: number | null },
  ): Promise<Executed | Refused>;
  /**
   * Makes a job available now, also one that has ended or has no attempt left.
   * Refused as `unique_key_held` while another job holds its unique key.
   */
  retryJob(call: JobCall): Promise<Executed | Refused>;
  /**
   * Ends a job as cancelled, wherever it waits; a run of it is told to stop.
   */
  cancelJob(call: JobCall): Promise<Executed | Refused>;
  /** Ends a job as discarded, as if no attempt were left. */
  discardJob(call: JobCall): Promise<Executed | Refused>;
}

/**
 * The operator's commands over a control plane.
 *
 * @param via Where the audit says they came from; `api` if left out.
 */
export function operatorApi(control: Control, via: Via = "api"): OperatorApi {
  const act = (asked: DoAction) => doAction(control, { ...asked, via });
  return {
    preview: (asked) => createPreview(control, { ...asked, via }),
    find: (ref) => findPreview(control, ref),
    execute: (asked) => executePreview(control, { ...asked, via }),
    withdraw: (ref) => withdrawPreview(control, { ...ref, via }),
    do: act,
    pauseCronEntry: (call) => act(onName("pause_cron_entry", call)),
    resumeCronEntry: (call) => act(onName("resume_cron_entry", call)),
    runCronEntry: (call) => act(onName("run_cron_entry", call)),
    pauseQueue: (call) => act(onName("pause_queue", call)),
    resumeQueue: (call) => act(onName("resume_queue", call)),
    scaleQueue: ({ limit, ...call }) =>
      act({ ...onName("scale_queue", call), params: { limit } }),
    coolDownLimiter: ({ forMs, key, ...call }) =>
      act({
        ...onName("cool_down_limiter", call),
        params: { forMs, ...(key !== undefined && { key }) },
      }),
    clearLimiterCooldown: ({ key, ...call }) =>
      act({
        ...onName("clear_limiter_cooldown", call),
        params: key === undefined ? {} : { key },
      }),
    scaleLimiter: ({ capacity, ...call }) =>
      act({ ...onName("scale_limiter", call), params: { capacity } }),
    retryJob: (call) => act(onJob("retry_job", call)),
    cancelJob: (call) => act(onJob("cancel_job", call)),
    discardJob: (call) => act(onJob("discard_job", call)),
  };
}

async function doAction(
  control: Control,
  { reason = null, ...asked }: DoAction & { readonly via: Via },
): Promise<Executed | Refused> {
  const created = await createPreview(control, asked);
  if (!created.ok) return created;
  const ref = { actor: asked.actor, token: created.token, via: asked.via };
  const executed = await executePreview(control, { ...ref, reason });
  if (!executed.ok) {
    // Nobody else has the token: one that is still ready is of no use.
    const { id } = created.preview;
    await closePreview(control.db, { id, status: "withdrawn" });
  }
  return executed;
}

function onName(action: Action, call: NamedCall): DoAction {
  const { actor, name, reason = null } = call;
  return { actor, action, targetId: name, reason };
}

function onJob(action: Action, call: JobCall): DoAction {
  const { actor, jobId, reason } = call;
  return { actor, action, targetId: jobId, reason };
}
