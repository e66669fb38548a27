import type { Database } from "../db/database.ts";
import { requireSchema } from "../db/migrate.ts";
import {
  blockerSentence,
  LIMITER_BOUNDS,
  type LimiterRule,
} from "../domain/limiter.ts";
import { usage } from "../domain/limiter_admission.ts";
import {
  replay,
  simulate,
  type SimulatedVerdict,
} from "../domain/limiter_simulation.ts";
import {
  blockersOf,
  type LimiterFact,
  type LimiterStanding,
  listLimiterFacts,
  readStanding,
  readStandings,
} from "../store/limiter_blockers.ts";
import { listTraffic } from "../store/limiter_traffic.ts";
import { ruleOf, stateOf } from "../store/limited_locks.ts";
import { UsageError } from "./flags.ts";
import {
  argsOf,
  type LimiterFlags,
  shortly,
  wholeFlag,
} from "./limiter_flags.ts";
import type { Report } from "./report.ts";

/** The shape of what `--json` prints, which programs rely on. */
const SCHEMA_VERSION = 1;
const COUNT_MAX = 10_000;

/** Says how limiters stand, and what of them would hold a job back now. */
export async function explainLimiter(
  db: Database,
  flags: LimiterFlags,
): Promise<Report> {
  const worker = flags.get("--worker");
  const limiter = flags.get("--limiter");
  if ((worker === undefined) === (limiter === undefined)) {
    throw new UsageError("Give either --limiter, or --worker with its --args");
  }
  if (worker !== undefined && flags.has("--key")) {
    throw new UsageError("--key belongs to --limiter: --worker has --args");
  }
  if (limiter !== undefined && flags.has("--args")) {
    throw new UsageError("--args belongs to --worker: --limiter has --key");
  }
  const args = argsOf(flags.get("--args"));
  await requireSchema(db);
  const standings = worker !== undefined
    ? await readStandings(db, { worker, args })
    : await standingOf(db, { limiter: limiter ?? "", flags });
  if (standings.length === 0) {
    throw new UsageError(
      `--worker names none that has limiters on record: ${
        shortly(worker ?? "")
      }`,
    );
  }
  const blockers = blockersOf(standings);
  const snapshots = await Promise.all(standings.map(async (each) => {
    const facts = await listLimiterFacts(db, { ...each, limit: 50 });
    return facts.find(({ kind }) => kind === "blocked") ?? null;
  }));
  const status = blockers.length === 0 ? "runnable" : "blocked";
  return {
    exit: 0,
    lines: [
      ...standings.flatMap((each, index) =>
        standingLines(each, snapshots[index] ?? null)
      ),
      ...blockers.map((blocker) =>
        `[${blocker.code}] ${blockerSentence(blocker)} ` +
        (blocker.eligibleAt === null
          ? "It may start when one of these has ended."
          : `It may start at ${blocker.eligibleAt.toISOString()}.`)
      ),
      `Status: ${status}`,
    ],
    json: {
      schema_version: SCHEMA_VERSION,
      status,
      blockers,
      limiters: standings.map((each, index) => {
        const { limiter, key, kind, at, capacity, perMs, weight } = each;
        const snapshot = snapshots[index] ?? null;
        const used = usedNow(each);
        return {
          ...{ limiter, key, kind, at, capacity, perMs, weight, used },
          snapshot,
        };
      }),
    },
  };
}

async function standingOf(
  db: Database,
  { limiter, flags }: {
    readonly limiter: string;
    readonly flags: LimiterFlags;
  },
): Promise<LimiterStanding[]> {
  const key = flags.get("--key") ?? "";
  const weight = wholeFlag(flags, { flag: "--weight", most: 1_000_000 });
  const standing = await readStanding(db, { limiter, key, weight });
  if (standing === null) {
    throw new UsageError(
      `--limiter names none that code has declared: ${shortly(limiter)}; ` +
        "a process that starts declares the limiters of its workers",
    );
  }
  return [standing];
}

function standingLines(
  standing: LimiterStanding,
  snapshot: LimiterFact | null,
): string[] {
  const { limiter, key, capacity, cooldownMs, nowMs } = standing;
  const of = key === "" ? limiter : `${limiter}, key ${key}`;
  const used = Math.round(usedNow(standing) * 1_000) / 1_000;
  const cools = cooldownMs !== null && cooldownMs > nowMs;
  return [
    `${of}: ${used} of ${capacity} used (${ruleText(standing)})`,
    ...cools
      ? [
        `  cools down until ${new Date(cooldownMs).toISOString()}: ` +
        `${standing.cooldownReason}`,
      ]
      : [],
    ...snapshot === null ? [] : [
      `  last held a job back at ${snapshot.at.toISOString()}: ` +
      `${snapshot.details["code"]}, ${snapshot.details["used"]} of ` +
      `${snapshot.details["capacity"]} used`,
    ],
  ];
}

function usedNow(each: LimiterStanding): number {
  const state = stateOf(each, each.used);
  return usage(ruleOf(each), { state, nowMs: each.nowMs }).used;
}

function ruleText({ kind, capacity, perMs }: LimiterRule): string {
  if (perMs === null) return `${capacity} at a time`;
  return `${kind}, ${capacity} in ${perMs} ms`;
}

/** Tries requests out on a limit, without a trace. */
export async function simulateLimiter(
  db: Database,
  flags: LimiterFlags,
): Promise<Report> {
  const rule = await ruleToTry(db, flags);
  const worker = flags.get("--replay");
  if (worker !== undefined) return await replayed(db, { flags, rule, worker });
  const most = rule.capacity;
  const weight = wholeFlag(flags, { flag: "--weight", most }) ?? 1;
  const count = wholeFlag(flags, { flag: "--count", most: COUNT_MAX }) ?? 10;
  const everyMs = wholeFlag(flags, {
    flag: "--every-ms",
    most: LIMITER_BOUNDS.perMsMax,
  }) ?? 0;
  const verdicts = simulate(rule, { weight, count, everyMs });
  return {
    exit: 0,
    lines: [
      `Tried out: ${ruleText(rule)}, weight ${weight}`,
      ...verdicts.map((each) => verdictLine(each, rule)),
    ],
    json: {
      schema_version: SCHEMA_VERSION,
      limiter: flags.get("--limiter") ?? null,
      ...rule,
      ...{ weight, count, everyMs, verdicts },
    },
  };
}

/** What the limit would have made of the newest jobs of a worker. */
async function replayed(
  db: Database,
  { flags, rule, worker }: {
    readonly flags: LimiterFlags;
    readonly rule: LimiterRule;
    readonly worker: string;
  },
): Promise<Report> {
  const limiter = flags.get("--limiter");
  if (limiter === undefined) {
    throw new UsageError("--replay needs --limiter: it says what a key is");
  }
  if (rule.perMs === null) {
    throw new UsageError("--replay is for a rate: nobody knows what would run");
  }
  if (flags.has("--weight") || flags.has("--every-ms")) {
    throw new UsageError("--replay knows weights and instants from the jobs");
  }
  const limit = wholeFlag(flags, { flag: "--count", most: COUNT_MAX });
  const requests = await listTraffic(db, {
    limiter,
    worker,
    limit: limit ?? COUNT_MAX,
  });
  const told = replay(rule, requests);
  return {
    exit: 0,
    lines: [
      `Replayed: ${told.requests} jobs, ${told.keys} keys, against ` +
      ruleText(rule),
      `At once: ${told.atOnce}. Held back: ${told.heldBack}, ` +
      `for ${told.longestWaitMs} ms at most.`,
      ...told.requests > 0 ? [] : [
        `No job of ${
          shortly(worker)
        } is kept among the newest: nothing to replay`,
      ],
    ],
    json: { schema_version: SCHEMA_VERSION, limiter, worker, ...rule, ...told },
  };
}

function verdictLine(
  { number, atMs, verdict, used, eligibleInMs }: SimulatedVerdict,
  { capacity }: LimiterRule,
): string {
  const of = `${Math.round(used * 1_000) / 1_000} of ${capacity}`;
  const at = `${number} after ${atMs} ms`;
  if (verdict === "reserved") return `${at}: reserved, ${of} used`;
  return eligibleInMs === null
    ? `${at}: ${verdict}, ${of} used; until one has ended`
    : `${at}: ${verdict}, ${of} used; after ${eligibleInMs} ms`;
}

/** The rule of a limiter, with what the flags would change. */
async function ruleToTry(
  db: Database,
  flags: LimiterFlags,
): Promise<LimiterRule> {
  const { rateCapacityMax, perMsLeast, perMsMax } = LIMITER_BOUNDS;
  const capacity = wholeFlag(flags, {
    flag: "--capacity",
    most: rateCapacityMax,
  });
  const perMs = wholeFlag(flags, {
    flag: "--per-ms",
    least: perMsLeast,
    most: perMsMax,
  });
  const algorithm = flags.get("--algorithm");
  if (
    algorithm !== undefined && algorithm !== "token_bucket" &&
    algorithm !== "fixed_window"
  ) {
    throw new UsageError("--algorithm must be token_bucket or fixed_window");
  }
  const limiter = flags.get("--limiter");
  if (limiter === undefined) {
    if (capacity === null) {
      throw new UsageError("Give --limiter, or --capacity and --per-ms");
    }
    if (perMs === null && algorithm !== undefined) {
      throw new UsageError("--algorithm is for a rate: give --per-ms as well");
    }
    return perMs === null
      ? { kind: "concurrency", capacity, perMs }
      : { kind: algorithm ?? "token_bucket", capacity, perMs };
  }
  await requireSchema(db);
  const [standing] = await standingOf(db, { limiter, flags: new Map() });
  const kept = standing ?? { kind: "token_bucket", capacity: 1, perMs: 1_000 };
  if (kept.kind === "concurrency" && (perMs !== null || algorithm)) {
    throw new UsageError("--per-ms and --algorithm are for a rate");
  }
  return {
    kind: algorithm ?? kept.kind,
    capacity: capacity ?? kept.capacity,
    perMs: perMs ?? kept.perMs,
  };
}
