import { assert } from "../assert.ts";
import { isWhole } from "../domain/job.ts";
import {
  atPath,
  type Limiter,
  LIMITER_BOUNDS,
  weightProblem,
} from "../domain/limiter.ts";
import {
  type Cooldown,
  type PartitionState,
  UNUSED,
  usage,
} from "../domain/limiter_admission.ts";
import { keyText } from "./key_text.ts";

/** What a limiter in a test has given out, and how it cools down. */
export class CountingLimiter {
  readonly limiter: Limiter;
  readonly #clock: { nowAt(): Date };
  readonly #states = new Map<string, PartitionState>();
  #cooldown: Cooldown | null = null;

  constructor(limiter: Limiter, clock: { nowAt(): Date }) {
    this.limiter = limiter;
    this.#clock = clock;
  }

  get nowMs(): number {
    return this.#clock.nowAt().getTime();
  }

  used(args: object = {}): number {
    const state = this.stateOf(this.keyOf(args));
    return usage(this.limiter, { state, nowMs: this.nowMs }).used;
  }

  coolDown({ forMs, reason, key }: {
    readonly forMs: number;
    readonly reason: string;
    readonly key?: string | number;
  }): Date {
    const { cooldownMsMax: most } = LIMITER_BOUNDS;
    assert(isWhole(forMs, { least: 1, most }), "forMs is 1 ms to 31 days");
    assert(reason.trim() !== "", "a cooldown has a reason");
    const wanted = { untilMs: this.nowMs + forMs, reason: reason.trim() };
    if (key === undefined) {
      this.#cooldown = later(this.#cooldown, wanted);
      return new Date(this.#cooldown.untilMs);
    }
    const state = this.#states.get(String(key)) ?? UNUSED;
    const cooldown = later(state.cooldown, wanted);
    this.#states.set(String(key), { ...state, cooldown });
    return new Date(cooldown.untilMs);
  }

  clearCooldown({ key }: { readonly key?: string | number } = {}): boolean {
    const state = key === undefined ? null : this.#states.get(String(key));
    const held = key === undefined ? this.#cooldown : state?.cooldown ?? null;
    if (held === null || held.untilMs <= this.nowMs) return false;
    if (state) this.#states.set(String(key), { ...state, cooldown: null });
    else this.#cooldown = null;
    return true;
  }

  /** Its own cooldown, or that of the whole limiter if it lasts longer. */
  stateOf(key: string): PartitionState {
    const state = this.#states.get(key) ?? UNUSED;
    const whole = this.#cooldown;
    const own = state.cooldown;
    return whole !== null && whole.untilMs >= (own?.untilMs ?? whole.untilMs)
      ? { ...state, cooldown: whole }
      : state;
  }

  count(key: string, counted: Pick<PartitionState, "used" | "countedMs">) {
    const cooldown = this.#states.get(key)?.cooldown ?? null;
    this.#states.set(key, { ...counted, cooldown });
  }

  giveBack(key: string, weight: number): void {
    if (this.limiter.kind !== "concurrency") return;
    const state = this.#states.get(key) ?? UNUSED;
    this.count(key, { ...state, used: Math.max(state.used - weight, 0) });
  }

  keyOf(args: object): string {
    const { partitionBy } = this.limiter;
    return partitionBy === null ? "" : keyText(atPath(args, partitionBy));
  }

  /** @throws {TypeError} If it can never start. */
  weightOf(args: object): number {
    const { weightBy, weight } = this.limiter;
    const problem = weightProblem(this.limiter, args);
    assert(problem === null, `${weightBy} ${problem}`);
    return weightBy === null ? weight : Number(atPath(args, weightBy));
  }
}

function later(held: Cooldown | null, wanted: Cooldown): Cooldown {
  return held !== null && held.untilMs >= wanted.untilMs ? held : wanted;
}
