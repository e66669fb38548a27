/**
 * What the engine tells a host's telemetry: a closed catalogue. Labels come from
 * small sets (workers, queues, services); ids and messages are never labels.
 */
export type YardmasterEvent =
  | { readonly type: "engine_started"; readonly executorId: number }
  | { readonly type: "engine_stopped"; readonly givenBack: number }
  /** Several a second when busy: one for each batch. */
  | {
    readonly type: "jobs_claimed";
    readonly jobs: number;
    readonly tookMs: number;
  }
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
  /** A run returned what can not be kept; its job completed all the same. */
  | {
    readonly type: "output_dropped";
    readonly worker: string;
    readonly why: "not_json" | "too_large";
  }
  | { readonly type: "jobs_acknowledged"; readonly jobs: number }
  /** The leases no longer held these jobs; nothing was written. */
  | { readonly type: "acknowledgements_lost"; readonly jobs: number }
  /** It is tried again. */
  | {
    readonly type: "acknowledgement_failed";
    readonly jobs: number;
    readonly error: unknown;
  }
  | { readonly type: "jobs_staged"; readonly jobs: number }
  | {
    readonly type: "jobs_rescued";
    readonly rescued: number;
    readonly discarded: number;
  }
  | { readonly type: "executors_missing"; readonly executors: number }
  /** This process could not beat in time, or was found missing. */
  | { readonly type: "executor_lost"; readonly runs: number }
  /** Jobs of ours that nothing here runs: the answer to a claim was lost. */
  | { readonly type: "leases_recovered"; readonly jobs: number }
  | {
    readonly type: "partitions_changed";
    readonly created: number;
    readonly dropped: number;
  }
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

/** Is told what happens. What it throws is ignored: telemetry stops no job. */
export type OnEvent = (event: YardmasterEvent) => void;

/** A sink that never throws. */
export function quietly(onEvent: OnEvent | undefined): OnEvent {
  if (onEvent === undefined) return () => {};
  return (event) => {
    try {
      onEvent(event);
    } catch {
      // The host's own sink is broken; there is nobody left to tell.
    }
  };
}
