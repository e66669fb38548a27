/** What a queue and its groups of jobs say, made of nothing but their facts. */
import type { QueueReason } from "./explain_groups.ts";
import { limitedOf } from "./explain_queue.ts";
import type { QueueFacts } from "./explain_queue_facts.ts";
import { isAlive } from "./explain_places.ts";
import { known } from "./explain_numbers.ts";
import { estimated, reasonSentence } from "./explain_words.ts";
import { type Sentence, sentence } from "./sentence.ts";

/** What is the same for all jobs with a reason, or tells of the first of them. */
export function groupSentence({ reason }: QueueReason): Sentence {
  switch (reason.code) {
    case "job_scheduled":
    case "job_retryable":
      return sentence`The next is due ${reason.evidence.runAt}.`;
    case "job_due":
      return sentence`They are staged within a second.`;
    case "job_overdue":
      return sentence`The first was due ${reason.evidence.runAt}, and no executor has moved it into its queue.`;
    case "job_queue_paused": {
      const { pausedAt, pausedBy } = reason.evidence;
      return sentence`Paused ${pausedAt} by ${{
        kind: "actor",
        value: { id: pausedBy },
      }}.`;
    }
    case "job_lane_behind":
      return sentence`Each waits for the one before it of the same limits.`;
    case "job_lane_turn":
      return sentence`Nothing is in their way but the turn of their limits.`;
    case "job_behind": {
      const { ahead, estimate } = reason.evidence;
      return sentence`The last of them has ${
        known(ahead)
      } before it, as far as was looked. ${estimated(estimate)}`;
    }
    case "job_ready":
      return sentence`Live executors have a free place for each.`;
    case "job_running":
      return sentence`Live executors hold them.`;
    case "job_executor_late":
    case "job_executor_missing": {
      const { executor, beatAt } = reason.evidence;
      return executor === null || beatAt === null
        ? sentence`Their executor has stopped, or is gone. Whoever is alive takes them back.`
        : sentence`Held by ${{
          kind: "name",
          value: executor,
        }}: its last heartbeat was ${beatAt}.`;
    }
    default:
      return reasonSentence(reason);
  }
}

/** How a queue is, in one line. */
export function queueSentence(
  facts: QueueFacts,
): Sentence {
  const { queue, serving } = facts;
  const alive = serving.filter(isAlive).length;
  const unwell = serving.filter(({ health }) => health !== "healthy").length;
  const limited = limitedOf(facts);
  const ready = readySentence(facts);
  const waits = limited === 0
    ? ready
    : sentence`${ready} Waiting for limiters: ${
      known({
        count: limited,
        precision: facts.limitedCapped ? "at_least" : "exact",
      })
    }.`;
  if (queue.pausedAt !== null) {
    const by = { kind: "actor", value: { id: queue.pausedBy } } as const;
    return sentence`Paused ${queue.pausedAt} by ${by}. ${waits}`;
  }
  return unwell > 0
    ? sentence`Executors with an overdue heartbeat: ${unwell} of ${serving.length}. ${waits}`
    : sentence`Live executors: ${alive}. ${waits}`;
}

function readySentence({ ready, oldestReadyAt }: QueueFacts): Sentence {
  return oldestReadyAt === null
    ? sentence`No job is ready.`
    : sentence`Ready: ${
      known(ready)
    }, the oldest of them inserted ${oldestReadyAt}.`;
}
