/** Numbers of jobs, told no better than they are known. */
import type { Known } from "./explain_facts.ts";
import { type Sentence, sentence } from "./sentence.ts";

const PRECISIONS = {
  exact: sentence``,
  about: sentence`about `,
  at_least: sentence`at least `,
} as const satisfies Record<Known["precision"], Sentence>;

/** A number of jobs, and how well it is known. */
export function known({ count, precision }: Known): Sentence {
  const how = PRECISIONS[precision];
  return count === 1
    ? sentence`${how}1 job`
    : sentence`${how}${rounded({ count, precision })} jobs`;
}

/** What was reckoned is not told to the last digit. */
export function rounded({ count, precision }: Known): number {
  if (precision !== "about" || count < 100) return count;
  const unit = 10 ** (Math.floor(Math.log10(count)) - 1);
  return Math.round(count / unit) * unit;
}
