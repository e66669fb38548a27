import type { Database } from "../db/database.ts";
import type { Action } from "../domain/action.ts";
import { keyAsArgs } from "../domain/limiter_key.ts";
import { type Sentence, sentence } from "../domain/sentence.ts";
import type { ResourceRef } from "../seams.ts";
import {
  EVIDENCE_MAX,
  type Horizons,
  readHorizons,
} from "../store/evidence.ts";
import {
  type LimiterFact,
  listLimiterFacts,
} from "../store/limiter_blockers.ts";
import {
  type LimiterHolder,
  listLimiterHolders,
} from "../store/limiter_holders.ts";
import { type LimiterLines, listLimiterLines } from "../store/limiter_lines.ts";
import {
  type ActivePartitions,
  listActivePartitions,
} from "../store/limiter_pressure.ts";
import {
  findLimiterStatus,
  LANES_COUNT_MAX,
  type LimiterStatus,
} from "../store/limiter_status.ts";
import type { LimiterRow } from "../store/limiters.ts";
import {
  type Bundle,
  bundle,
  type Collected,
  type Diagnosis,
  type LinkedResource,
  type RelatedEvidence,
} from "./bundle.ts";
import { controlTrail } from "./control_trail.ts";
import { limiterChronology } from "./limiter_chronology.ts";
import { ruleSentence } from "./limiter_rule.ts";
import { limiterSources } from "./limiter_sources.ts";

/** Everything that is read of a limiter. */
interface Seen {
  readonly status: LimiterStatus;
  readonly active: ActivePartitions;
  readonly facts: readonly LimiterFact[];
  readonly waiting: LimiterLines;
  readonly holders: readonly LimiterHolder[];
  readonly horizons: Horizons;
}

/** Lines, holders and keys that a bundle names. */
const NAMED_MAX = 5;

/** Everything about one limiter, with all of its keys. */
export async function collectLimiter(
  db: Database,
  subject: ResourceRef,
): Promise<Bundle | null> {
  const status = await findLimiterStatus(db, subject.id);
  if (status === null) return null;
  const { limiter } = status;
  const found = await listLimiterFacts(db, {
    limiter: limiter.name,
    limit: EVIDENCE_MAX + 1,
  });
  const place = { limiter: limiter.name, key: null, limit: NAMED_MAX };
  // Without keys, all stand under the empty one, and in order.
  const key = limiter.partitionBy === null ? "" : null;
  const seen: Seen = {
    status,
    facts: found.slice(0, EVIDENCE_MAX),
    active: await listActivePartitions(db, limiter, { atMs: null }),
    waiting: await listLimiterLines(db, { ...place, key, after: null }),
    holders: await listLimiterHolders(db, place),
    horizons: await readHorizons(db),
  };
  const { horizons } = seen;
  const since = oldestOf(seen);
  const trail = await controlTrail(db, { resource: subject, since, horizons });
  return bundle({
    subject: { ...subject, resource: subject, label: ruleSentence(status) },
    seenAt: horizons.now,
    diagnosis: diagnosisOf(seen),
    continuity: trail.continuity,
    chronology: [
      ...limiterChronology(limiter, seen.facts),
      ...trail.chronology,
    ],
    related: relatedOf(seen),
    linked: linkedOf(seen),
    sources: [
      ...limiterSources(seen, {
        since,
        isTruncated: found.length > EVIDENCE_MAX,
      }),
      ...trail.sources,
    ],
    runbook: { ...runbookOf(seen, subject), cautions: trail.cautions },
  });
}

/** The oldest instant that is known of it. */
function oldestOf({ status, facts }: Seen): Date {
  const { declaredAt } = status.limiter;
  const first = facts.at(-1)?.at ?? declaredAt;
  return first < declaredAt ? first : declaredAt;
}

function diagnosisOf(seen: Seen): Diagnosis {
  const { status, active, waiting, facts } = seen;
  const { limiter, capacity, coolingKeys, workers } = status;
  const [newest] = facts;
  const said = (
    code: Diagnosis["code"],
    detail: Sentence,
    provenance: Diagnosis["provenance"] = "supporting",
  ): Diagnosis => ({ code, detail, provenance });
  if (limiter.cooldownUntil !== null) {
    return said(
      "limiter_cooling",
      sentence`Until ${limiter.cooldownUntil}, as ${{
        kind: "actor",
        value: limiter.cooldownBy,
      }} asked for: ${{ kind: "reason", value: limiter.cooldownReason }}.`,
      "durable",
    );
  }
  if (waiting.count > 0) {
    return said("limiter_holding", holdingSentence(seen));
  }
  if (coolingKeys > 0) {
    return said(
      "limiter_keys_cooling",
      sentence`Keys that cool down: ${
        upTo({ count: coolingKeys, capped: coolingKeys >= LANES_COUNT_MAX })
      }.`,
      "durable",
    );
  }
  const full = active.partitions.filter(({ used }) => used >= capacity - 1e-6);
  if (full.length > 0) {
    return said(
      "limiter_full",
      limiter.partitionBy === null
        ? sentence`All of its ${capacity} is used, and no job waits.`
        : sentence`Keys of which all is used: ${
          upTo({ count: full.length, capped: active.capped })
        }. No job waits.`,
    );
  }
  if (workers.length === 0) {
    return said("limiter_unnamed", sentence`Nothing is limited by it.`);
  }
  return newest?.kind === "blocked"
    ? said(
      "limiter_relieved",
      sentence`It last held a job back ${newest.at}, and nothing waits now.`,
    )
    : said("limiter_open", sentence`Nothing waits for it.`);
}

function holdingSentence(
  { status: { capacity, limiter }, waiting }: Seen,
): Sentence {
  const lines = upTo(waiting);
  return limiter.partitionBy === null
    ? sentence`Lines of jobs that wait for it: ${lines}. It lets ${capacity} pass.`
    : sentence`Lines of jobs that wait for keys of it: ${lines}. Each key lets ${capacity} pass.`;
}

/** A number at which counting may have stopped. */
function upTo(
  { count, capped }: { readonly count: number; readonly capped: boolean },
): Sentence {
  return capped ? sentence`more than ${count}` : sentence`${count}`;
}

function relatedOf(seen: Seen): readonly RelatedEvidence[] {
  const { status, active, holders } = seen;
  const { limiter, capacity } = status;
  const { declaredCapacity, chosenBy, chosenAt, declaredAt } = limiter;
  const all = holders[0]?.all ?? 0;
  return [
    {
      title: sentence`Capacity`,
      summary: chosenBy === null || chosenAt === null
        ? sentence`${declaredCapacity}, as code declared it ${declaredAt}.`
        : sentence`${capacity}, as ${{
          kind: "actor",
          value: chosenBy,
        }} chose it ${chosenAt}; code declares ${declaredCapacity}.`,
      provenance: "durable",
    },
    ...status.used === null ? [] : [
      {
        title: sentence`Use`,
        summary: sentence`${whole(status.used)} of ${capacity}.`,
        provenance: "supporting",
      } as const,
    ],
    ...limiter.partitionBy === null
      ? []
      : active.partitions.slice(0, NAMED_MAX).map((each) =>
        ({
          title: sentence`Key ${keyFact(limiter, each.key)}`,
          summary: sentence`${
            whole(each.used)
          } of ${capacity}; lines of jobs that wait: ${each.lines}.`,
          provenance: "supporting",
        }) as const
      ),
    ...limiter.kind !== "concurrency" ? [] : [
      {
        title: sentence`Held`,
        summary: sentence`Jobs that run and hold it: ${all}.`,
        provenance: "supporting",
      } as const,
    ],
  ];
}

/** What refills counts in fractions; nobody takes a part of a job. */
function whole(used: number): number {
  return Math.max(Math.ceil(used - 1e-6), 0);
}

/** A key as a value of args; one that is empty has no value. */
function keyFact({ partitionBy }: LimiterRow, key: string) {
  return key === ""
    ? sentence`of jobs without one`
    : { kind: "args", ...keyAsArgs(partitionBy ?? [], key) } as const;
}

function linkedOf({ waiting, holders }: Seen): readonly LinkedResource[] {
  return [
    ...waiting.lines.flatMap(({ firstJobId: id }): LinkedResource[] =>
      id === null
        ? []
        : [{ relation: sentence`Waits`, resource: { type: "job", id } }]
    ),
    ...holders.map(({ jobId }): LinkedResource => ({
      relation: sentence`Holds it`,
      resource: { type: "job", id: jobId },
    })),
  ];
}

function runbookOf(
  { status, holders }: Seen,
  subject: ResourceRef,
): Omit<Collected["runbook"], "cautions"> {
  const { cooldownUntil } = status.limiter;
  const isCooling = cooldownUntil !== null || status.coolingKeys > 0;
  const legal: Action[] = isCooling
    ? ["clear_limiter_cooldown", "cool_down_limiter", "scale_limiter"]
    : ["cool_down_limiter", "scale_limiter"];
  const [holder] = holders;
  return {
    legal,
    prerequisites: {},
    targets: {
      subject: { page: "resource", resource: subject },
      ...holder && {
        blocking_job: {
          page: "resource",
          resource: { type: "job", id: holder.jobId },
        },
      },
      executors: { page: "executors" },
      audit: { page: "audit", resource: subject },
      forensics: { page: "forensics" },
    },
  };
}
