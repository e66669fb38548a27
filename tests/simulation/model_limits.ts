/** What limiters give and hold, told in memory, by rules of their own. */
import type { JobId } from "../../src/domain/job.ts";
import { defineLimiter, type Limiter } from "../../src/domain/limiter.ts";
import { Model } from "./model.ts";
import type { ModelJob } from "./model_types.ts";

const inAll = defineLimiter({
  name: "in_all",
  concurrency: 3,
  weight: "weight",
});
const perKey = defineLimiter({
  name: "per_key",
  concurrency: 2,
  partitionBy: "key",
});
const bucket = defineLimiter({
  name: "bucket",
  rate: { capacity: 4, perMs: 2_000 },
  partitionBy: "key",
  weight: "weight",
});
const window = defineLimiter({
  name: "window",
  rate: { algorithm: "fixed_window", capacity: 3, perMs: 3_000 },
});
const gate = defineLimiter({
  name: "gate",
  rate: { capacity: 3, perMs: 5_000 },
  partitionBy: "key",
  weight: "weight",
  at: "enqueue",
});
const gateWindow = defineLimiter({
  name: "gate_window",
  rate: { algorithm: "fixed_window", capacity: 4, perMs: 3_000 },
  at: "enqueue",
});
export const LIMITERS: readonly Limiter[] = [
  ...[bucket, gate, gateWindow, inAll, perKey, window],
];

/** Of each worker, in the order of their names. */
export const WORKER_LIMITS: Readonly<Record<string, readonly Limiter[]>> = {
  call: [inAll, perKey],
  fetch: [bucket, inAll],
  page: [window],
};
/** Its limiters refuse. */
export const GATED = { post: [gate, gateWindow] } as const;

export type LimitedArgs = {
  readonly key?: string;
  readonly weight?: number;
};

/** A place in a limiter, and what a job takes of it. */
export interface Share {
  readonly limiter: string;
  readonly key: string;
  readonly weight: number;
}

interface Known {
  readonly limiter: Limiter;
  chosen: number | null;
  cooldownUntil: number | null;
}

interface Used {
  /** Of a rate, as counted then. */
  used: number;
  countedAt: number;
  cooldownUntil: number | null;
}

/** Why a job may not pass. */
export interface Blocked {
  readonly share: Share;
  readonly code: "cooldown" | "limit_reached";
  readonly eligibleAt: number | null;
}

const ROUNDING = 1e-6;

/** A model in which some workers have limiters. */
export class LimitedModel extends Model {
  readonly args = new Map<JobId, LimitedArgs>();
  readonly known = new Map<string, Known>(
    LIMITERS.map((limiter) => [
      limiter.name,
      { limiter, chosen: null, cooldownUntil: null },
    ]),
  );
  readonly limits = new Map(Object.entries(WORKER_LIMITS));
  readonly parts = new Map<string, Used>();
  /** What each run was granted of concurrency, by its lease and its job. */
  readonly grants = new Map<string, readonly Share[]>();

  /** What a job takes, in the order of the names of its limiters. */
  sharesOf({ id, worker }: Pick<ModelJob, "id" | "worker">): Share[] {
    const limiters = this.limits.get(worker) ??
      (worker === "post" ? GATED.post : []);
    return limiters.map((limiter) => toShare(limiter, this.args.get(id) ?? {}));
  }

  /** Jobs that wait for limiters, in the order in which they start. */
  waiting(): ModelJob[] {
    return [...this.jobs.values()].filter(({ at, worker }) =>
      at.state === "available" && this.limits.has(worker)
    ).sort((a, b) =>
      a.priority - b.priority || (BigInt(a.id) < BigInt(b.id) ? -1 : 1)
    );
  }

  capacityOf(name: string): number {
    const { chosen, limiter } = this.#known(name);
    return chosen ?? limiter.capacity;
  }

  /** What is used of a place now. */
  usedOf(share: Pick<Share, "limiter" | "key">): number {
    const { kind } = this.#known(share.limiter).limiter;
    if (kind !== "concurrency") return this.#counted(share).used;
    return this.liveGrants().filter((grant) => isSame(grant, share))
      .reduce((sum, { weight }) => sum + weight, 0);
  }

  /** Grants hold as long as their lease holds their job. */
  liveGrants(): (Share & { readonly place: string })[] {
    return [...this.jobs.values()].flatMap(({ id, at }) => {
      const place = `${at.leaseId} ${id}`;
      const shares = at.leaseId === null ? [] : this.grants.get(place) ?? [];
      return shares.map((share) => ({ ...share, place }));
    });
  }

  /** What a job needs of a place: never more than there is. */
  needs({ limiter, weight }: Share): number {
    return Math.min(weight, this.capacityOf(limiter));
  }

  /** Everything that holds a job back now. */
  blocksOf(shares: readonly Share[]): Blocked[] {
    return shares.flatMap((share): Blocked[] => {
      const { limiter, cooldownUntil } = this.#known(share.limiter);
      const until = Math.max(
        cooldownUntil ?? 0,
        this.parts.get(nameOf(share))?.cooldownUntil ?? 0,
      );
      if (until > this.nowMs) {
        return [{ share, code: "cooldown", eligibleAt: until }];
      }
      const capacity = this.capacityOf(share.limiter);
      const excess = this.usedOf(share) + this.needs(share) - capacity;
      if (excess <= ROUNDING) return [];
      const code = "limit_reached";
      const { kind, perMs } = limiter;
      if (kind === "concurrency" || perMs === null) {
        return [{ share, code, eligibleAt: null }];
      }
      const { countedAt } = this.#counted(share);
      const at = kind === "fixed_window" ? countedAt + perMs : Math.ceil(
        Math.max(countedAt, this.nowMs) + excess * perMs / capacity,
      );
      return [{ share, code, eligibleAt: Math.max(at, this.nowMs) }];
    });
  }

  /**
   * Whoever looks at a place holds its row, and makes one. It matters only to a
   * clock that is set back: what was counted later than now stays so.
   */
  look(shares: readonly Pick<Share, "limiter" | "key">[]): void {
    for (const share of shares) this.#part(share);
  }

  /** A job passes: it takes its part of every rate. */
  take(shares: readonly Share[]): void {
    for (const share of shares) {
      if (this.#known(share.limiter).limiter.kind === "concurrency") continue;
      const { used, countedAt } = this.#counted(share);
      const part = this.#part(share);
      part.used = used + this.needs(share);
      part.countedAt = countedAt;
    }
  }

  coolDown(
    { limiter, key, untilMs, extendsOnly }: {
      readonly limiter: string;
      readonly key: string | null;
      readonly untilMs: number;
      readonly extendsOnly: boolean;
    },
  ): number {
    const place = key === null
      ? this.#known(limiter)
      : this.#part({ limiter, key });
    const before = place.cooldownUntil;
    if (extendsOnly && before !== null && before >= untilMs) return before;
    place.cooldownUntil = untilMs;
    return untilMs;
  }

  /** False where none is on. */
  clearCooldown(limiter: string, key: string | null): boolean {
    const place = key === null
      ? this.#known(limiter)
      : this.parts.get(nameOf({ limiter, key }));
    if (!place || (place.cooldownUntil ?? 0) <= this.nowMs) return false;
    place.cooldownUntil = null;
    return true;
  }

  /** False if it was so already. */
  scale(limiter: string, capacity: number | null): boolean {
    const known = this.#known(limiter);
    if (known.chosen === capacity) return false;
    known.chosen = capacity;
    return true;
  }

  #known(name: string): Known {
    const known = this.known.get(name);
    if (known === undefined) throw new TypeError(`Nobody declared ${name}`);
    return known;
  }

  #part(share: Pick<Share, "limiter" | "key">): Used {
    const name = nameOf(share);
    const part = this.parts.get(name) ??
      { used: 0, countedAt: this.nowMs, cooldownUntil: null };
    this.parts.set(name, part);
    return part;
  }

  /** As it stands now: a bucket refills, a window ends. */
  #counted(
    share: Pick<Share, "limiter" | "key">,
  ): { readonly used: number; readonly countedAt: number } {
    const { nowMs } = this;
    const { perMs, kind } = this.#known(share.limiter).limiter;
    const { used, countedAt } = this.parts.get(nameOf(share)) ??
      { used: 0, countedAt: nowMs };
    // A clock that was set back gives nothing back.
    if (perMs === null || nowMs <= countedAt) return { used, countedAt };
    if (kind === "fixed_window") {
      // A window begins with its first job.
      const isOver = used === 0 || nowMs >= countedAt + perMs;
      return isOver ? { used: 0, countedAt: nowMs } : { used, countedAt };
    }
    const refilled = (nowMs - countedAt) * this.capacityOf(share.limiter) /
      perMs;
    return { used: Math.max(used - refilled, 0), countedAt: nowMs };
  }
}

/** A place by its name, as in the maps above. */
export function nameOf(
  { limiter, key }: Pick<Share, "limiter" | "key">,
): string {
  return `${limiter} ${key}`;
}

export function isSame(
  left: Pick<Share, "limiter" | "key">,
  right: Pick<Share, "limiter" | "key">,
): boolean {
  return nameOf(left) === nameOf(right);
}

function toShare(limiter: Limiter, args: LimitedArgs): Share {
  const { name, partitionBy, weightBy, weight } = limiter;
  const asked = weightBy === null ? undefined : args.weight;
  return {
    limiter: name,
    key: partitionBy === null ? "" : args.key ?? "",
    weight: asked === undefined ? weight : Math.max(Math.trunc(asked), 1),
  };
}
