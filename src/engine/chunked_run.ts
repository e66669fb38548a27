import type { ClaimedJob } from "../store/leases.ts";
import type { AbortKind } from "./abort_reason.ts";
import type { Chunk } from "./chunk_gathering.ts";
import { Run } from "./run.ts";

/** A run that shares its call with others. */
export class ChunkedRun extends Run {
  /** What it gathers in, and runs with. */
  chunk: Chunk | null = null;
  /** The call wants to know: it may be the last that was waited for. */
  onAborted: ((kind: AbortKind) => void) | null = null;

  constructor(job: ClaimedJob, claimedMs: number) {
    super(job, claimedMs);
  }

  /** While it gathers it waits for others, and not for a slot. */
  override get waitsSinceMs(): number {
    return this.chunk?.ripeMs ?? Infinity;
  }

  override abort(kind: AbortKind): void {
    if (this.aborted !== null) return;
    super.abort(kind);
    this.onAborted?.(kind);
  }
}
