/** What the pages of limiters are made from. */
import {
  byPressure,
  pressureOf,
  pressurePage,
} from "../domain/limiter_pressure.ts";
import { ruleOf, stateOf } from "../store/limited_locks.ts";
import {
  blockersOf,
  type LimiterFact,
  listLimiterFacts,
  readStanding,
} from "../store/limiter_blockers.ts";
import {
  type LimiterHolder,
  listLimiterHolders,
} from "../store/limiter_holders.ts";
import { listLimiterLines } from "../store/limiter_lines.ts";
import {
  type ActivePartition,
  type ActivePartitions,
  listActivePartitions,
} from "../store/limiter_pressure.ts";
import type { LimiterRow } from "../store/limiters.ts";
import type { ThenAndNow } from "./components/limiter_history.ts";
import type { PartitionsView } from "./components/limiter_partitions.ts";
import { shownKey } from "./components/limiter_rows.ts";
import type { LinesView } from "./components/limiter_waiting.ts";
import type { PageContext } from "./env.ts";
import {
  type LimiterAddress,
  limiterHref,
  limiterKeyHref,
  limiterLineHref,
  lineCursorText,
} from "./limiter_address.ts";
import type { ResourceRef } from "../seams.ts";
import { withQuery } from "./paths.ts";
import { inItsOrder } from "./policy_answer.ts";
import type { Href } from "./render.ts";

const KEYS_ON_A_PAGE = 25;
const LINES_ON_A_PAGE = 15;
const HOLDERS_ON_A_PAGE = 15;
/** Of its history, on its page; its forensics have more. */
const FACTS_MAX = 20;

/** Reads one page of the keys in use. */
export async function readPartitions(
  c: PageContext,
  limiter: LimiterRow,
  { from, way, find }: LimiterAddress,
): Promise<PartitionsView> {
  const { name } = limiter;
  const active = await listActivePartitions(c.var.db, limiter, {
    atMs: from?.atMs ?? null,
  });
  const { atMs, capped } = active;
  const wanted = find === null
    ? active.partitions
    : await foundPartitions(c, { limiter, active, find });
  const { items, hasMore, hasLess } = pressurePage(wanted, {
    from,
    way,
    limit: KEYS_ON_A_PAGE,
  });
  const [first] = items;
  const last = items.at(-1);
  const rows = await Promise.all(items.map(async (partition) => ({
    partition,
    href: await limiterKeyHref(c, { limiter: name, key: partition.key }),
  })));
  return {
    rows,
    capped,
    at: from === null ? null : new Date(atMs),
    found: find,
    more: hasMore && last !== undefined
      ? await limiterHref(c, name, { find, after: { ...placeOf(last), atMs } })
      : null,
    less: hasLess && first !== undefined
      ? await limiterHref(c, name, {
        find,
        before: { ...placeOf(first), atMs },
      })
      : null,
    first: await limiterHref(c, name, { find }),
  };
}

function placeOf({ pressure, key }: ActivePartition) {
  return { pressure, key };
}

/**
 * Keys in use that begin with a text, and the one that is that text. It looks at
 * what the display policy shows: who may not see a key can not search for it.
 */
async function foundPartitions(
  c: PageContext,
  { limiter, active, find }: {
    readonly limiter: LimiterRow;
    readonly active: ActivePartitions;
    readonly find: string;
  },
): Promise<readonly ActivePartition[]> {
  const { show, db } = c.var;
  const wanted = active.partitions.some(({ key }) => key === find)
    ? active.partitions
    : [...active.partitions, ...await idlePartition()].toSorted(byPressure);
  return wanted.filter(({ key }) =>
    shownKey(limiter, { key, show }).startsWith(inItsOrder(find))
  );

  async function idlePartition(): Promise<readonly ActivePartition[]> {
    const standing = await readStanding(db, {
      limiter: limiter.name,
      key: find,
    });
    if (standing === null || !standing.isCounted) return [];
    const { key, nowMs, used } = standing;
    const state = stateOf(standing, used);
    const pressed = pressureOf(ruleOf(standing), {
      state,
      nowMs,
      holdsBack: false,
    });
    return [{ key, lines: 0, cooldownUntil: null, ...pressed }];
  }
}

/** Reads one page of the lines that a limiter, or one key of it, holds back. */
export async function readLines(
  c: PageContext,
  { limiter, key, after, here }: {
    readonly limiter: string;
    readonly key: string | null;
    readonly after: Parameters<typeof listLimiterLines>[1]["after"];
    readonly here: Href;
  },
): Promise<LinesView> {
  const { lines, count, capped } = await listLimiterLines(c.var.db, {
    limiter,
    key,
    after,
    limit: LINES_ON_A_PAGE + 1,
  });
  const shown = lines.slice(0, LINES_ON_A_PAGE);
  const rows = await Promise.all(shown.map(async (line) => ({
    line,
    href: await limiterLineHref(c, { limiter, id: line.id }),
  })));
  const last = shown.at(-1);
  const more = lines.length > shown.length && last !== undefined
    ? withQuery(here, {
      lines: await lineCursorText(c, { limiter, cursor: last }),
    })
    : null;
  return {
    rows,
    count,
    capped,
    more,
    first: after === null ? null : here,
    here: after === null ? here : withQuery(here, {
      lines: await lineCursorText(c, { limiter, cursor: after }),
    }),
  };
}

/** Who holds a limiter, what its history tells, and the newest block. */
export interface LimiterEvidence {
  readonly holders: readonly LimiterHolder[];
  readonly facts: readonly LimiterFact[];
  readonly compared: ThenAndNow | null;
}

/** Reads them, of a limiter or of one key. */
export async function readLimiterEvidence(
  c: PageContext,
  { limiter, key }: {
    readonly limiter: LimiterRow;
    readonly key: string | null;
  },
): Promise<LimiterEvidence> {
  const { db } = c.var;
  const { name, kind } = limiter;
  const holders = kind === "concurrency"
    ? await listLimiterHolders(db, {
      limiter: name,
      key,
      limit: HOLDERS_ON_A_PAGE,
    })
    : [];
  const facts = await listLimiterFacts(db, {
    limiter: name,
    key,
    limit: FACTS_MAX,
  });
  const then = facts.find(({ kind }) => kind === "blocked");
  const standing = then === undefined
    ? null
    : await readStanding(db, { limiter: name, key: then.key });
  if (then === undefined || standing === null) {
    return { holders, facts, compared: null };
  }
  const [blocker = null] = blockersOf([standing]);
  const { used } = pressureOf(ruleOf(standing), {
    state: stateOf(standing, standing.used),
    nowMs: standing.nowMs,
    holdsBack: false,
  });
  const { capacity } = standing;
  return {
    holders,
    facts,
    compared: { then, now: { used, capacity, blocker } },
  };
}

/** The jobs and queues that such a page could link to. */
export function placesOf(
  { lines, evidence }: {
    readonly lines: LinesView;
    readonly evidence: LimiterEvidence;
  },
): readonly ResourceRef[] {
  const jobs = [
    ...lines.rows.map(({ line }) => line.firstJobId),
    ...evidence.holders.map(({ jobId }) => jobId),
    ...evidence.facts.map(({ jobId }) => jobId),
  ].filter((id) => id !== null);
  return [
    ...jobs.map((id): ResourceRef => ({ type: "job", id })),
    ...lines.rows.map(({ line }): ResourceRef => {
      return { type: "queue", id: line.queue };
    }),
  ];
}
