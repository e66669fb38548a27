import type { LimiterRule } from "./limiter.ts";
import { type PartitionState, usage } from "./limiter_admission.ts";

/** How pressed a partition is, and the key by which ties are told apart. */
export interface Pressed {
  /** 0 to 1: the share that is used; 1 to 2: it holds jobs back as well. */
  readonly pressure: number;
  readonly key: string;
}

/** A place in the order of pressure, as of an instant. */
export interface PressureCursor extends Pressed {
  /** Since 1970. The order of that instant stays the same while one pages. */
  readonly atMs: number;
}

/** How pressed a partition is: one that holds jobs back before all others. */
export function pressureOf(
  rule: LimiterRule,
  { state, nowMs, holdsBack }: {
    readonly state: PartitionState;
    readonly nowMs: number;
    readonly holdsBack: boolean;
  },
): { readonly used: number; readonly pressure: number } {
  const { used } = usage(rule, { state, nowMs });
  const { cooldown } = state;
  const isCool = cooldown === null || cooldown.untilMs <= nowMs;
  const share = isCool ? Math.min(used / rule.capacity, 1) : 1;
  return { used, pressure: share + (holdsBack ? 1 : 0) };
}

/** The most pressed first; no two partitions of a limiter are alike in it. */
export function byPressure(one: Pressed, other: Pressed): number {
  return other.pressure - one.pressure ||
    (one.key < other.key ? -1 : one.key > other.key ? 1 : 0);
}

/** One page of what is ordered by {@linkcode byPressure}. */
export interface PressurePage<Item> {
  readonly items: readonly Item[];
  readonly hasMore: boolean;
  readonly hasLess: boolean;
}

/** Cuts out the page below a place, or above it. */
export function pressurePage<Item extends Pressed>(
  sorted: readonly Item[],
  { from, way, limit }: {
    readonly from: Pressed | null;
    readonly way: "down" | "up";
    readonly limit: number;
  },
): PressurePage<Item> {
  const start = from === null
    ? 0
    : way === "down"
    ? sorted.filter((item) => byPressure(item, from) <= 0).length
    : Math.max(
      sorted.filter((item) => byPressure(item, from) < 0).length - limit,
      0,
    );
  const items = sorted.slice(start, start + limit);
  return {
    items,
    hasLess: start > 0,
    hasMore: start + items.length < sorted.length,
  };
}

/** Reads a cursor; `null` if it is none. */
export function parsePressureCursor(text: string): PressureCursor | null {
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch {
    return null;
  }
  if (!Array.isArray(parts) || parts.length !== 3) return null;
  const [atMs, pressure, key] = parts as readonly unknown[];
  const isCursor = typeof atMs === "number" && Number.isFinite(atMs) &&
    typeof pressure === "number" && Number.isFinite(pressure) &&
    typeof key === "string";
  return isCursor ? { atMs, pressure, key } : null;
}

/** The text of a cursor, as {@linkcode parsePressureCursor} reads it. */
export function pressureCursorText(
  { atMs, pressure, key }: PressureCursor,
): string {
  return JSON.stringify([atMs, pressure, key]);
}
