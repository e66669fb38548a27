/**
 * The only way to make HTML here, and the only place where data of the host or
 * of a person becomes text that a page may print.
 */
import { html as tag } from "hono/html";
import type {
  Actor,
  DisplayKind,
  DisplayPolicy,
  ResourceRef,
} from "../seams.ts";
import { defaultText, structureOf } from "./structure.ts";

declare const markup: unique symbol;
/** HTML that is already escaped. Only {@linkcode html} makes it. */
export type Markup = { readonly [markup]: true; toString(): string };

declare const shown: unique symbol;
/** Text which the display policy rendered, the only user data we print. */
export type Shown = string & { readonly [shown]: true };

declare const href: unique symbol;
/** A link that `paths` made, or that was checked to stay on this origin. */
export type Href = string & { readonly [href]: true };

declare const plain: unique symbol;
/** Text of our own that was put together from literals, numbers and instants. */
export type Plain = string & { readonly [plain]: true };

/** A literal type; a `string` and a pattern have endless values and are `never`. */
type Literal<Value extends string> = Record<never, never> extends
  Record<Value, 1> ? never : Value;

/**
 * A plain `string` may be user data and is `never`, and so is a pattern such as
 * `${string}!`; a literal type is ours, and so are the ids that are numbers.
 */
type Printable<Value> = Value extends Shown | Href | Plain | `${bigint}` ? Value
  : Value extends string ? Literal<Value>
  : Value extends number | null | Markup | readonly (Markup | null)[] ? Value
  : never;

/** Tags HTML. Text is escaped; a plain `string` does not compile. */
export function html<const Values extends readonly unknown[]>(
  pieces: TemplateStringsArray,
  ...values: { [Index in keyof Values]: Printable<Values[Index]> }
): Markup {
  return tag(trimmed(pieces), ...values) as unknown as Markup;
}

const TRIMMED = new WeakMap<TemplateStringsArray, TemplateStringsArray>();

/**
 * The formatter puts tags on lines of their own, and the line ends would show as
 * spaces around a badge in a sentence: they go. A space on one line stays.
 */
function trimmed(pieces: TemplateStringsArray): TemplateStringsArray {
  const known = TRIMMED.get(pieces);
  if (known) return known;
  const copy = [...pieces];
  copy[0] = (copy[0] ?? "").replace(/^\s*\n\s*(?=<)/, "");
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? "").replace(/(?<=>)\s*\n\s*$/, "");
  const result = Object.assign(copy, { raw: copy });
  TRIMMED.set(pieces, result);
  return result;
}

/** Text as it may be interpolated without a check: ours, or already shown. */
type Text = Shown | Plain | `${bigint}` | number;
type PlainPart<Value> = Value extends Text ? Value
  : Value extends string ? Literal<Value>
  : never;

/** Tags a sentence of ours. The same types as {@linkcode html}, no markup. */
export function text<const Values extends readonly unknown[]>(
  pieces: TemplateStringsArray,
  ...values: { [Index in keyof Values]: PlainPart<Values[Index]> }
): Plain {
  return String.raw({ raw: pieces }, ...values) as Plain;
}

/** An instant as ISO 8601 in UTC, to the second: `2026-01-15T12:00:00Z`. */
export function iso(at: Date): Plain {
  return at.toISOString().replace(/\.\d+Z$/, "Z") as Plain;
}

/**
 * The code of a closed set that came from the database as text, such as an event
 * type. Anything else is printed as `unknown`.
 */
export function code(value: string): Plain {
  return (/^[a-z][a-z0-9_.:-]{0,99}$/i.test(value)
    ? value
    : "unknown") as Plain;
}

/**
 * What goes back into a field of a form as it came: an id, which a link would
 * carry as well, or what the person who looks has just typed. Never for text on
 * the page: there the display policy decides.
 */
export function echo(value: string): Plain {
  return value as Plain;
}

/** Words of the host's own configuration, such as the label of a runbook. */
export function hostText(value: string, charactersMax: number): Shown {
  return String(value).slice(0, charactersMax) as Shown;
}

/** Marks a link as checked. For `paths.ts` only. */
export function checkedHref(value: string): Href {
  return value as Href;
}

/** What stands where a value may not be shown. */
export const HIDDEN = "Hidden by display policy" as Shown;

/** Renders one value for the actor who looks. */
export interface Show {
  /** In one line, for a cell or a sentence. */
  (kind: DisplayKind, value: unknown, resource: ResourceRef): Shown;
  /** Over as many lines as it needs, for a block. */
  readonly block: (
    kind: DisplayKind,
    value: unknown,
    resource: ResourceRef,
  ) => Shown;
  /**
   * Name by name, for a table; `null` if what may be shown has no names, such as
   * a text instead of an object.
   */
  readonly fields: (
    kind: DisplayKind,
    value: Readonly<Record<string, unknown>>,
    resource: ResourceRef,
  ) => ReadonlyMap<Shown, Shown> | null;
}

/** Told of each value that was hidden because the policy failed. */
export type OnHidden = (kind: DisplayKind) => void;

/**
 * Asks the display policy. When it throws or answers something that can not be
 * printed, the value is hidden and counted: a broken policy never reveals.
 */
export function showTo(
  actor: Actor,
  { policy, onHidden }: {
    readonly policy: DisplayPolicy;
    readonly onHidden?: OnHidden | undefined;
  },
): Show {
  function ask<Answer>(
    kind: DisplayKind,
    question: () => Answer | null,
  ): Answer | null {
    try {
      const answer = question();
      if (answer !== null) return answer;
    } catch {
      // Counted below, with every other answer that can not be printed.
    }
    onHidden?.(kind);
    return null;
  }

  function print(indent: number): Show["block"] {
    return (kind, value, resource) => {
      const printed = ask(kind, () => {
        const answer: unknown = policy(kind, value, { actor, resource });
        return printAnswer(answer, { kind, value, indent });
      });
      return printed === null ? HIDDEN : printed as Shown;
    };
  }

  const fields: Show["fields"] = (kind, value, resource) => {
    const names = ask(kind, () => {
      const answer: unknown = policy(kind, value, { actor, resource });
      return fieldsOf(answer, value);
    });
    if (names === null || names === "no names") return null;
    return new Map(names) as ReadonlyMap<string, string> as ReadonlyMap<
      Shown,
      Shown
    >;
  };
  return Object.assign(print(0), { block: print(2), fields });
}

/** Names and what to print beside each; `null` if the answer is nonsense. */
function fieldsOf(
  answer: unknown,
  value: Readonly<Record<string, unknown>>,
): readonly (readonly [string, string])[] | "no names" | null {
  if (typeof answer === "string" || Array.isArray(answer)) return "no names";
  if (answer === null) {
    return Object.entries(value).map((
      [name, each],
    ) => [name, structureOf(each)]);
  }
  if (typeof answer !== "object" || "then" in answer) return null;
  return Object.entries(answer).map(([name, each]: [string, unknown]) => [
    name,
    clip(typeof each === "string" ? each : String(JSON.stringify(each))),
  ]);
}

/** The text of an answer; `null` if it can not be printed. */
function printAnswer(
  answer: unknown,
  { kind, value, indent }: {
    readonly kind: DisplayKind;
    readonly value: unknown;
    readonly indent: number;
  },
): string | null {
  if (typeof answer === "string") return clip(answer);
  if (answer === null) {
    return clip(defaultText(kind, value) ?? hiddenText(value, indent));
  }
  // A promise is an object that would print as `{}`: an answer that came too late.
  if (typeof answer === "object" && "then" in answer) return null;
  const printed: unknown = JSON.stringify(answer, null, indent);
  return typeof printed === "string" ? clip(printed) : null;
}

/** The structure; where a single word is all of it, also why it is so short. */
function hiddenText(value: unknown, indent: number): string {
  const structure = structureOf(value, indent);
  const isWhole = typeof value === "object" || value === undefined;
  return isWhole ? structure : `${structure}, not shown`;
}

const SHOWN_CHARACTERS_MAX = 65_536;

function clip(value: string): string {
  if (value.length <= SHOWN_CHARACTERS_MAX) return value;
  return `${value.slice(0, SHOWN_CHARACTERS_MAX)} … (cut at 65 536 characters)`;
}

/** The first line of a shown text, cut after `max` characters. */
export function lineOf(value: Shown, max: number): Shown {
  const [line = ""] = value.trimStart().split("\n", 1);
  return (line.length > max ? `${line.slice(0, max)}…` : line) as Shown;
}

/** A piece of a shown text, and what it is when the text is JSON or structure. */
export interface Token {
  readonly kind: "key" | "text" | "value" | "mark";
  readonly text: Shown;
}

const TOKENS =
  /("(?:[^"\\]|\\.)*")(?=\s*:)|("(?:[^"\\]|\\.)*")|(-?\d[\d.eE+-]*|\b(?:true|false|null|number|text|boolean)\b)|([^"\w-]+|[\w-]+|")/g;

/** Cuts shown text into tokens, which together are the same text. */
export function tokensOf(value: Shown): readonly Token[] {
  const isTree = /^[{[]/.test(value);
  if (!isTree) return [{ kind: "mark", text: value }];
  return [...value.matchAll(TOKENS)].map((match): Token => ({
    kind: match[1] ? "key" : match[2] ? "text" : match[3] ? "value" : "mark",
    text: match[0] as Shown,
  }));
}
