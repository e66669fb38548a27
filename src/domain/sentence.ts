import { assert } from "../assert.ts";
import type { DisplayedError, DisplayKind, ResourceRef } from "../seams.ts";
import type { JobState } from "./state.ts";

/**
 * A value inside a sentence. Whoever prints it asks the display policy for what
 * has a kind; numbers, instants and our own words need nobody's leave.
 */
export type Fact =
  | number
  | Date
  | JobState
  | Sentence
  | Valued<Exclude<DisplayKind, "error">, unknown>
  | Valued<"error", DisplayedError>;

interface Valued<Kind extends DisplayKind, Value> {
  readonly kind: Kind;
  readonly value: Value;
  /** What the value belongs to, when it is not what the sentence is about. */
  readonly of?: ResourceRef;
  /** Of an object, the part that is told. */
  readonly path?: readonly string[];
}

/**
 * A sentence of ours with facts in it, not yet printed.
 *
 * The words are the pieces of a template literal, so they are always ours; the
 * facts stay values until the display policy was asked. A page and an export
 * can so print the same sentence without a string that nobody has checked.
 */
export interface Sentence {
  readonly pieces: TemplateStringsArray;
  readonly facts: readonly Fact[];
}

/** Tags a {@linkcode Sentence}. The words must hold no markup. */
export function sentence(
  pieces: TemplateStringsArray,
  ...facts: readonly Fact[]
): Sentence {
  assert(!/[<>&]/.test(pieces.join("")), "a sentence holds no markup");
  return { pieces, facts };
}

/** Tells a sentence from the other facts. */
export function isSentence(fact: Fact): fact is Sentence {
  return typeof fact === "object" && "pieces" in fact;
}

/**
 * The words with every value as it is and exact instants: for those who can read
 * the database anyway, the host's own code and the command line. A page prints
 * what the display policy shows.
 */
export function sentenceWords({ pieces, facts }: Sentence): string {
  return String.raw({ raw: pieces }, ...facts.map(factWords));
}

function factWords(fact: Fact): string {
  if (fact instanceof Date) return fact.toISOString();
  if (typeof fact !== "object") return String(fact);
  if (isSentence(fact)) return sentenceWords(fact);
  if (fact.kind === "error") return fact.value.message;
  return fact.kind === "actor" ? actorWords(fact.value) : String(partOf(fact));
}

/** What is told of the value of a fact. */
function partOf({ value, path = [] }: Valued<DisplayKind, unknown>): unknown {
  return path.reduce<unknown>(
    (inner, name) => Reflect.get(Object(inner), name),
    value,
  );
}

/** Actors come as a principal, or as the id alone. */
function actorWords(value: unknown): string {
  const { label = null, id = value } = Object(value) as {
    readonly label?: unknown;
    readonly id?: unknown;
  };
  return String(label ?? id);
}
