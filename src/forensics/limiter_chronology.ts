import { keyAsArgs } from "../domain/limiter_key.ts";
import type { LimiterFactKind } from "../domain/limiter.ts";
import { type Sentence, sentence } from "../domain/sentence.ts";
import type { LimiterFact } from "../store/limiter_blockers.ts";
import type { LimiterRow } from "../store/limiters.ts";
import type { ChronologyItem } from "./chronology.ts";

const LABELS = {
  blocked: sentence`It held a job back`,
  cooled_down: sentence`A cooldown began`,
  cooldown_cleared: sentence`A cooldown was ended`,
  reconfigured: sentence`Code declared it anew`,
  capacity_chosen: sentence`An operator chose the capacity`,
} as const satisfies Record<LimiterFactKind, Sentence>;

/** The history of a limiter. Of a full key it tells once a minute at most. */
export function limiterChronology(
  limiter: LimiterRow,
  facts: readonly LimiterFact[],
): readonly ChronologyItem[] {
  return facts.map((fact): ChronologyItem => ({
    at: fact.at,
    source: "limiter_facts",
    sequence: BigInt(fact.id),
    provenance: "durable",
    label: LABELS[fact.kind],
    notes: notesOf(limiter, fact),
    resource: fact.jobId === null ? null : { type: "job", id: fact.jobId },
    audit: null,
  }));
}

function notesOf(
  limiter: LimiterRow,
  { key, kind, details, eligibleAt, principal }: LimiterFact,
): readonly Sentence[] {
  const { code, used, capacity, before, after, reason } = details;
  const notes: Sentence[] = [];
  if (kind === "blocked") {
    notes.push(
      code === "cooldown"
        ? sentence`Cause: policy, a cooldown.`
        : sentence`Cause: pressure, the limit was reached.`,
    );
  } else notes.push(sentence`Cause: policy.`);
  if (limiter.partitionBy !== null && key !== "") {
    const value = keyAsArgs(limiter.partitionBy, key);
    notes.push(sentence`Key ${{ kind: "args", ...value }}.`);
  }
  if (typeof used === "number" && typeof capacity === "number") {
    notes.push(
      sentence`Used then: ${Math.ceil(used - 1e-6)} of ${capacity}.`,
    );
  }
  if (typeof before === "number" && typeof after === "number") {
    notes.push(sentence`Capacity ${before}, then ${after}.`);
  }
  if (eligibleAt !== null) notes.push(sentence`Eligible again ${eligibleAt}.`);
  if (principal !== null) {
    notes.push(sentence`By ${{ kind: "actor", value: principal }}.`);
  }
  if (typeof reason === "string") {
    notes.push(sentence`Reason: ${{ kind: "reason", value: reason }}`);
  }
  return notes;
}
