import { type Plain, text } from "../render.ts";

/** A number that was counted up to a bound, and no further. */
export interface CappedCount {
  /** At most `cap`. */
  readonly count: number;
  /** Whether there are more. */
  readonly capped: boolean;
}

/** `12 345`, with narrow spaces that do not break. */
export function numberText(value: number): Plain {
  const digits = String(value).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return digits as Plain;
}

/** `10 000+` where counting stopped; a number that is not exact says so. */
export function countText({ count, capped }: CappedCount): Plain {
  return capped ? text`${numberText(count)}+` : numberText(count);
}

/** `1 job`, `2 jobs`, `10 000+ jobs`. */
export function countOf(
  counted: CappedCount,
  [one, many]: readonly [Plain, Plain],
): Plain {
  const noun = counted.count === 1 && !counted.capped ? one : many;
  return text`${countText(counted)} ${noun}`;
}
