/** What is printed for an answer of the display policy. */
import type { DisplayedError, DisplayKind } from "../seams.ts";
import { defaultText, structureOf } from "./structure.ts";

/** Names and what to print beside each; `null` if the answer is nonsense. */
export function fieldsAnswer(
  answer: unknown,
  value: Readonly<Record<string, unknown>>,
): readonly (readonly [string, string])[] | "no names" | null {
  if (typeof answer === "string" || Array.isArray(answer)) return "no names";
  if (answer === null) {
    return Object.entries(value).map((
      [name, each],
    ) => [printable(name), printable(structureOf(each))]);
  }
  if (typeof answer !== "object" || "then" in answer) return null;
  return Object.entries(answer).map(([name, each]: [string, unknown]) => [
    printable(name),
    printable(typeof each === "string" ? each : String(JSON.stringify(each))),
  ]);
}

/** The text of an answer; `null` if it can not be printed. */
export function textAnswer(
  answer: unknown,
  { kind, value, indent }: {
    readonly kind: DisplayKind;
    readonly value: unknown;
    readonly indent: number;
  },
): string | null {
  if (typeof answer === "string") return printable(answer);
  if (answer === null) {
    return printable(defaultText(kind, value) ?? hiddenText(value, indent));
  }
  // A promise is an object that would print as `{}`: an answer that came too late.
  if (typeof answer === "object" && "then" in answer) return null;
  if (kind === "actor" && typeof answer === "object") {
    return printable(defaultText(kind, answer) ?? "");
  }
  const printed: unknown = JSON.stringify(answer, null, indent);
  return typeof printed === "string" ? printable(printed) : null;
}

/**
 * The text of one part of an answer, at a path into the value that was asked
 * about; `null` if it can not be printed. A text stands for the whole.
 */
export function partAnswer(
  answer: unknown,
  { value, path }: {
    readonly value: unknown;
    readonly path: readonly string[];
  },
): string | null {
  if (typeof answer === "string") return printable(answer);
  if (answer === null) return printable(hiddenText(at(value, path), 0));
  if (typeof answer !== "object" || "then" in answer) return null;
  const part = at(answer, path);
  if (typeof part === "string") return printable(part);
  const printed: unknown = JSON.stringify(part);
  // What the answer leaves out is not for these eyes.
  return typeof printed === "string" ? printable(printed) : null;
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, name) =>
      typeof inner === "object" && inner !== null && Object.hasOwn(inner, name)
        ? Reflect.get(inner, name)
        : undefined,
    value,
  );
}

/** The structure; where a single word is all of it, also why it is so short. */
function hiddenText(value: unknown, indent: number): string {
  const structure = structureOf(value, indent);
  const isWhole = typeof value === "object" || value === undefined;
  return isWhole ? structure : `${structure}, not shown`;
}

const SHOWN_CHARACTERS_MAX = 65_536;

function printable(value: string): string {
  if (value.length <= SHOWN_CHARACTERS_MAX) return inItsOrder(value);
  const start = inItsOrder(value.slice(0, SHOWN_CHARACTERS_MAX));
  return `${start} … (cut at 65 536 characters)`;
}

/** What turns the text around it: embeddings, overrides, isolates, and their ends. */
const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;

/**
 * The text with those characters written out, as JSON does. A page that obeyed
 * them would show a key backwards, and so as another one. Letters that are
 * written from right to left need none of them.
 */
export function inItsOrder(value: string): string {
  return value.replace(
    TURNING,
    (mark) => `\\u${mark.charCodeAt(0).toString(16)}`,
  );
}

/**
 * The parts of an error to print; `null` if the answer is nonsense. A text is its
 * message, and a part that the answer leaves out is not shown.
 */
export function errorAnswer(
  answer: unknown,
  error: DisplayedError,
): DisplayedError | null {
  if (answer === null) {
    return {
      message: printable(hiddenText(error.message, 0)),
      topFrame: null,
      stack: null,
    };
  }
  const message = messageOf(answer) ??
    textAnswer(answer, { kind: "error", value: error, indent: 0 });
  if (message === null) return null;
  return {
    message: message.trim() === "" ? "No message" : message,
    topFrame: partOf(answer, "topFrame"),
    stack: partOf(answer, "stack"),
  };
}

function messageOf(answer: unknown): string | null {
  const isLate = typeof answer === "object" && answer !== null &&
    "then" in answer;
  return isLate ? null : partOf(answer, "message");
}

function partOf(answer: unknown, part: keyof DisplayedError): string | null {
  if (typeof answer !== "object" || answer === null) return null;
  const value: unknown = Reflect.get(answer, part);
  return typeof value === "string" && value !== "" ? printable(value) : null;
}
