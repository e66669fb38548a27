import { unawaited } from "./unawaited.ts";

/**
 * What the engine tells a host's telemetry: a closed catalogue. Labels come from
 * small sets (workers, queues, services); ids and messages are never labels.
 */
export type YardmasterEvent =
  /** This process claims from now on. */
  | { readonly type: "engine_started"; readonly executorId: number }
  /** It claims nothing any more; so many jobs went back. */
  | { readonly type: "engine_stopped"; readonly givenBack: number }
  /** Several a second when busy: one for each claim. */
  | {
    readonly type: "jobs_claimed";
    readonly jobs: number;
    readonly tookMs: number;
  }
  /** One for each run. */
  | {
    readonly type: "run_ended";
    readonly worker: string;
    readonly queue: string;
    readonly end: RunEnd;
    readonly attempt: number;
    readonly tookMs: number;
    /** Of a run that failed. */
    readonly error?: unknown;
  }
  /** A call for many jobs ended; each of its runs has told of itself. */
  | {
    readonly type: "chunk_ended";
    readonly worker: string;
    readonly queue: string;
    /** How many went into the call. */
    readonly jobs: number;
    readonly tookMs: number;
  }
  /** A run returned what can not be kept; its job completed all the same. */
  | {
    readonly type: "output_dropped";
    readonly worker: string;
    /**
     * `refused`: Postgres can not store it; `reserved`: it has the one key
     * `__encrypted__`, which is ours; `not_encrypted`: that failed, and it is not
     * stored as it is.
     */
    readonly why:
      | "not_json"
      | "too_large"
      | "refused"
      | "reserved"
      | "not_encrypted";
    /** Of its JSON text in UTF-8, if it has one; and what its worker allows. */
    readonly bytes: number | null;
    readonly limitBytes: number;
  }
  /** A hook of a worker was called; whatever it did, its job is as it was. */
  | {
    readonly type: "hook_ran";
    readonly worker: string;
    readonly hook: HookName;
    readonly outcome: HookOutcome;
    readonly tookMs: number;
    /** Of a hook that threw, or took too long. */
    readonly error?: unknown;
  }
  /** Newer code enqueued this job; it waits for an executor that knows it. */
  | {
    readonly type: "args_too_new";
    readonly worker: string;
    /** Of the job's args. */
    readonly version: number;
    /** What this process knows. */
    readonly known: number;
    readonly delayMs: number;
  }
  /** Its args are encrypted with a key that is not known here; it waits. */
  | {
    readonly type: "args_key_unknown";
    readonly worker: string;
    /** The id of the key. */
    readonly key: string;
    readonly delayMs: number;
  }
  /** What their runs came to is written. */
  | { readonly type: "jobs_acknowledged"; readonly jobs: number }
  /** The leases no longer held these jobs; nothing was written. */
  | { readonly type: "acknowledgements_lost"; readonly jobs: number }
  /** It is tried again. */
  | {
    readonly type: "acknowledgement_failed";
    readonly jobs: number;
    readonly error: unknown;
  }
  /** Their time has come: they are ready. */
  | { readonly type: "jobs_staged"; readonly jobs: number }
  /** Taken from missing executors; some had no attempt left. */
  | {
    readonly type: "jobs_rescued";
    readonly rescued: number;
    readonly discarded: number;
  }
  /** Executors gave no sign of life for too long. */
  | { readonly type: "executors_missing"; readonly executors: number }
  /** This process could not beat in time, or was found missing. */
  | { readonly type: "executor_lost"; readonly runs: number }
  /** Jobs of ours that nothing here runs: the answer to a claim was lost. */
  | { readonly type: "leases_recovered"; readonly jobs: number }
  /** Days were made ahead, or dropped with their evidence. */
  | {
    readonly type: "partitions_changed";
    readonly created: number;
    readonly dropped: number;
  }
  /** Old jobs that the default partitions held. */
  | { readonly type: "jobs_pruned"; readonly jobs: number }
  /** A pass of a service threw; the next one follows after a while. */
  | {
    readonly type: "service_failed";
    readonly service: string;
    readonly error: unknown;
  }
  /** A hint could not be sent; polling finds the work. */
  | { readonly type: "notice_failed"; readonly error: unknown };

/** How a run ended, as a label. */
export type RunEnd =
  | "completed"
  | "failed"
  | "timed_out"
  | "snoozed"
  | "cancelled"
  | "discarded"
  | "expired"
  | "given_back";

/** The hooks that a worker may have. */
export type HookName = "onStart" | "onSuccess" | "onFailure" | "onDiscard";

/** What became of a hook, as a label. */
export type HookOutcome = "ok" | "threw" | "timed_out" | "dropped";

/** Is told what happens. What it throws is ignored: telemetry stops no job. */
export type OnEvent = (event: YardmasterEvent) => void;

/** A sink that never throws. */
export function quietly(onEvent: OnEvent | undefined): OnEvent {
  if (onEvent === undefined) return () => {};
  return (event) => {
    try {
      unawaited(onEvent(event));
    } catch {
      // The host's own sink is broken; there is nobody left to tell.
    }
  };
}

/** What somebody must hear of who reads no telemetry; `null`: nothing. */
export function faultOf(
  event: YardmasterEvent,
): { readonly error: unknown; readonly where: string } | null {
  if (event.type === "service_failed") {
    return { error: event.error, where: `service "${event.service}"` };
  }
  if (event.type !== "hook_ran" || event.outcome === "ok") return null;
  const { worker, hook, outcome } = event;
  return {
    error: event.error ?? new Error(`${hook} ${outcome}`),
    where: `${hook} of worker "${worker}"`,
  };
}
