import { type Sentence, sentence } from "../domain/sentence.ts";
import type { ExecutorHealth } from "../store/executor_health.ts";
import type { ExecutorEvidence } from "../store/queue_evidence.ts";
import type { RelatedEvidence } from "./bundle.ts";

const HEALTH: Readonly<Record<ExecutorHealth, Sentence>> = {
  healthy: sentence`Healthy`,
  late: sentence`Heartbeat late`,
  missing: sentence`Missing`,
  stopped: sentence`Stopped`,
};

/**
 * What the heartbeats say. Only the last one of an executor is kept, so it is
 * evidence of now and none of then.
 */
export function executorEvidence(
  serving: readonly ExecutorEvidence[],
  holder: ExecutorEvidence | null,
): readonly RelatedEvidence[] {
  const others = serving.filter(({ id }) => id !== holder?.id);
  const shown = [...holder === null ? [] : [holder], ...others].slice(0, 5);
  if (shown.length === 0) {
    return [{
      title: sentence`Executors`,
      summary: sentence`None that has not stopped serves the queue.`,
      provenance: "supporting",
    }];
  }
  const rest = others.length + (holder === null ? 0 : 1) - shown.length;
  const related = shown.map((executor): RelatedEvidence => ({
    title: sentence`Executor ${executor.id}`,
    summary: summaryOf(executor),
    provenance: "supporting",
  }));
  return rest === 0 ? related : [...related, {
    title: sentence`More executors`,
    summary: sentence`${rest} more, not shown here.`,
    provenance: "supporting",
  }];
}

function summaryOf(executor: ExecutorEvidence): Sentence {
  const name = { kind: "name", value: executor.name } as const;
  const health = HEALTH[executor.health];
  return executor.stoppedAt === null
    ? sentence`${health}: ${name}, last heartbeat ${executor.beatAt}.`
    : sentence`${health}: ${name}, since ${executor.stoppedAt}.`;
}
