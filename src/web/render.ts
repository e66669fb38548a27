/**
 * The only way to make HTML here, and the only place where data of the host or
 * of a person becomes text that a page may print.
 */
import { html as tag } from "hono/html";
import type {
  Actor,
  DisplayedError,
  DisplayKind,
  DisplayPolicy,
  ResourceRef,
} from "../seams.ts";
import {
  errorAnswer,
  fieldsAnswer,
  partAnswer,
  textAnswer,
} from "./policy_answer.ts";

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

const HIDDEN_ERROR = { message: HIDDEN, topFrame: null, stack: null } as const;

/** The kinds that are printed as one text; an error has parts. */
export type TextKind = Exclude<DisplayKind, "error">;

/** An error as it may be shown, in the parts that have a place of their own. */
export interface ShownError {
  readonly message: Shown;
  readonly topFrame: Shown | null;
  readonly stack: Shown | null;
}

/** Renders one value for the actor who looks. */
export interface Show {
  /** In one line, for a cell or a sentence. */
  (kind: TextKind, value: unknown, resource: ResourceRef): Shown;
  /** Over as many lines as it needs, for a block. */
  readonly block: (
    kind: TextKind,
    value: unknown,
    resource: ResourceRef,
  ) => Shown;
  /**
   * Name by name, for a table; `null` if what may be shown has no names, such as
   * a text instead of an object.
   */
  readonly fields: (
    kind: TextKind,
    value: Readonly<Record<string, unknown>>,
    resource: ResourceRef,
  ) => ReadonlyMap<Shown, Shown> | null;
  /**
   * One part of a value, at a path into it: the policy is asked about the whole,
   * in which it finds the part by its name.
   */
  readonly part: (
    kind: TextKind,
    part: {
      readonly value: Readonly<Record<string, unknown>>;
      readonly path: readonly string[];
    },
    resource: ResourceRef,
  ) => Shown;
  /** Part by part. */
  readonly error: (error: DisplayedError, resource: ResourceRef) => ShownError;
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
        return textAnswer(answer, { kind, value, indent });
      });
      return printed === null ? HIDDEN : printed as Shown;
    };
  }

  const fields: Show["fields"] = (kind, value, resource) => {
    const names = ask(kind, () => {
      const answer: unknown = policy(kind, value, { actor, resource });
      return fieldsAnswer(answer, value);
    });
    if (names === null || names === "no names") return null;
    return new Map(names) as ReadonlyMap<string, string> as ReadonlyMap<
      Shown,
      Shown
    >;
  };

  const part: Show["part"] = (kind, { value, path }, resource) => {
    const printed = ask(kind, () => {
      const answer: unknown = policy(kind, value, { actor, resource });
      return partAnswer(answer, { value, path });
    });
    return printed === null ? HIDDEN : printed as Shown;
  };

  const error: Show["error"] = (value, resource) => {
    const parts = ask("error", () => {
      const answer: unknown = policy("error", value, { actor, resource });
      return errorAnswer(answer, value);
    });
    return parts === null ? HIDDEN_ERROR : parts as unknown as ShownError;
  };
  return Object.assign(print(0), { block: print(2), fields, part, error });
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
