import { newerArgsMessage } from "../domain/args_version.ts";
import { chooseBackoffMs } from "../domain/backoff.ts";
import { errorFacts, storable } from "../domain/fingerprint.ts";
import { afterFailure } from "../domain/job.ts";
import type { OnEvent, RunEnd } from "../events.ts";
import type { RunEvent, RunResult } from "../store/outcomes.ts";
import type { EndedRun } from "./ended_run.ts";
import type { HookNote } from "./hooks.ts";
import { storableOutput } from "./kept_output.ts";
import type { Run } from "./run.ts";
import { isVerdict, type Verdict } from "./verdict.ts";
import type { AnyWorker } from "./worker.ts";

/** What a result is made of, beside the run. */
export interface ResultContext {
  readonly tookMs: number;
  readonly random: () => number;
  readonly onEvent: OnEvent;
}

/** A result, and how it is called in telemetry. */
export interface Settlement {
  readonly result: EndedRun;
  readonly end: RunEnd;
  /** The hook that is due once the result is written. */
  readonly note?: HookNote;
}

const DISCARDED = { state: "discard", terminal: true } as const;

/** The folder of our own code, whose frames say nothing about the host's. */
const OWN_ROOT = ownRoot();

/** What becomes of a run that returned. Whatever is no verdict is a value. */
export function returned(
  run: Run,
  { worker, value, ...context }: ResultContext & {
    readonly worker: AnyWorker;
    readonly value: unknown;
  },
): Settlement {
  if (isVerdict(value)) return decided(run, value, context);
  const result: RunResult = resultOf(run, { ...context, to: "completed" });
  const { recordOutput: rule } = worker;
  const left = rule === null ? null : storableOutput(value, {
    worker: run.worker,
    rule,
    onEvent: context.onEvent,
  });
  const settlement: Settlement = {
    result: left === null ? result : { ...result, ...left },
    end: "completed",
  };
  if (run.hooks === null) return settlement;
  const event = { state: "success", value } as const;
  return { ...settlement, note: { hook: "onSuccess", event } };
}

function decided(
  run: Run,
  verdict: Verdict,
  context: ResultContext,
): Settlement {
  if (verdict.kind === "snooze") {
    return {
      result: {
        ...resultOf(run, { ...context, to: "scheduled" }),
        delayMs: verdict.delayMs,
        event: { kind: "snoozed" },
      },
      end: "snoozed",
    };
  }
  const end = verdict.kind === "cancel" ? "cancelled" : "discarded";
  const event: RunEvent = { kind: end, message: storable(verdict.reason) };
  const settlement: Settlement = {
    result: { ...resultOf(run, { ...context, to: end }), event },
    end,
  };
  if (run.hooks === null || end === "cancelled") return settlement;
  const { reason } = verdict;
  const told = { ...DISCARDED, kind: "discarded", reason } as const;
  return { ...settlement, note: { hook: "onDiscard", event: told } };
}

/**
 * What becomes of a run whose args are newer than this code: it waits for an
 * executor that knows them, and no attempt is burnt.
 */
export function tooNew(
  run: Run,
  { version, known, delayMs, tookMs }: {
    readonly tookMs: number;
    readonly version: number;
    readonly known: number;
    readonly delayMs: number;
  },
): Settlement {
  const message = newerArgsMessage({ version, known });
  return postponed(run, { tookMs, delayMs, message });
}

/** What becomes of a run that another executor can do, and this one can not. */
export function postponed(
  run: Run,
  { tookMs, delayMs, message }: {
    readonly tookMs: number;
    readonly delayMs: number;
    readonly message: string;
  },
): Settlement {
  return {
    result: {
      ...resultOf(run, { tookMs, to: "scheduled" }),
      delayMs,
      event: { kind: "given_back", message },
    },
    end: "given_back",
  };
}

/** What becomes of a run whose attempt failed, or took too long. */
export function failed(
  run: Run,
  { worker, error, kind, ...context }: ResultContext & {
    readonly worker: AnyWorker;
    readonly error: unknown;
    readonly kind: "failed" | "timed_out";
  },
): Settlement {
  const event: RunEvent = { kind, ...errorFacts(error, OWN_ROOT) };
  const next = afterFailure(
    run,
    () =>
      chooseBackoffMs(
        { attempt: run.attempt, maxAttempts: run.maxAttempts, error },
        { backoff: worker.backoff, random: context.random },
      ),
  );
  const result = next.to === "outcomes"
    ? resultOf(run, { ...context, to: "discarded" })
    : {
      ...resultOf(run, { ...context, to: "retryable" }),
      delayMs: next.delayMs,
    };
  const settlement = { result: { ...result, event }, end: kind };
  if (run.hooks === null) return settlement;
  const note: HookNote = next.to === "outcomes"
    ? { hook: "onDiscard", event: { ...DISCARDED, kind, error } }
    : {
      hook: "onFailure",
      event: {
        state: "failure",
        terminal: false,
        kind,
        error,
        retryInMs: next.delayMs,
      },
    };
  return { ...settlement, note };
}

/** What becomes of a run whose deadline passed. */
export function expired(run: Run, context: ResultContext): Settlement {
  const result = resultOf(run, { ...context, to: "cancelled" });
  return { result: { ...result, event: { kind: "expired" } }, end: "expired" };
}

/**
 * What becomes of a run that was interrupted: it goes back, and no attempt is
 * burnt. Of one that had not begun there is nothing to tell.
 */
export function givenBack(run: Run, context: ResultContext): Settlement {
  const result = resultOf(run, { ...context, to: "available" });
  return {
    result: run.startedMs === null
      ? result
      : { ...result, event: { kind: "given_back" } },
    end: "given_back",
  };
}

function resultOf(
  run: Run,
  { to, tookMs }: { to: RunResult["to"]; tookMs: number },
): RunResult {
  const { leaseId, jobId, attempt } = run.job;
  return { leaseId, jobId, attempt, to, tookMs };
}

/** `undefined` where a bundler took the address of the module away. */
function ownRoot(): string | undefined {
  try {
    return new URL("..", import.meta.url).href;
  } catch {
    return undefined;
  }
}
