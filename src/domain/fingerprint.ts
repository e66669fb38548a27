/** What is kept of an error. Everything is bounded, and none of it throws. */
export interface ErrorFacts {
  /** Groups errors that are alike: name, template and place, not values. */
  readonly fingerprint: string;
  /** The message with `<number>`, `<string>` and the like in place of values. */
  readonly template: string;
  /** The first frame of the host's own code. */
  readonly topFrame: string | null;
  readonly message: string;
  readonly stack: string | null;
}

const MESSAGE_MAX = 10_000;
const STACK_MAX = 20_000;
const TEMPLATE_MAX = 1_000;
const FRAME_MAX = 1_000;

/** From the most particular to the least; each works on what is left. */
const VALUES: readonly (readonly [RegExp, string])[] = [
  [/[a-z][a-z0-9+.-]*:\/\/[^\s"'`)>\]]+/gi, "<url>"],
  [/[\w.+-]+@[\w-]+(?:\.[\w-]+)+/g, "<email>"],
  [
    /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi,
    "<uuid>",
  ],
  [/\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z?/g, "<instant>"],
  [
    /"(?:[^"\\]|\\.){0,1000}"|'(?:[^'\\]|\\.){0,1000}'|`[^`]{0,1000}`/g,
    "<string>",
  ],
  [/\b(?:0x)?(?=[0-9a-f]*\d)[0-9a-f]{8,}\b/gi, "<hex>"],
  [/-?\d+(?:[.,]\d+)*/g, "<number>"],
];

/**
 * Describes whatever a run threw.
 *
 * @param ownRoot URL of the folder of our own code: its frames say nothing about
 * the host's.
 */
export function errorFacts(error: unknown, ownRoot?: string): ErrorFacts {
  const { name, message, stack } = readError(error);
  const template = cut(`${name}: ${messageTemplate(message)}`, TEMPLATE_MAX);
  const topFrame = stack === null ? null : hostFrame(stack, ownRoot);
  const place = topFrame === null
    ? ""
    : topFrame.replace(/:\d+(?::\d+)?\)?$/, "");
  return {
    fingerprint: hash(`${template}\n${place}`),
    template,
    topFrame: topFrame === null ? null : cut(topFrame, FRAME_MAX),
    message: cut(
      name === "Error" ? message : `${name}: ${message}`,
      MESSAGE_MAX,
    ),
    stack: stack === null ? null : cut(stack, STACK_MAX),
  };
}

/** The message of an error without the values in it, so that alike are alike. */
export function messageTemplate(message: string): string {
  // Long before it is cut, or a pattern could run over a megabyte.
  let template = cut(message, TEMPLATE_MAX * 2).trim();
  for (const [pattern, mark] of VALUES) {
    template = template.replace(pattern, mark);
  }
  return template.replace(/\s+/g, " ");
}

/** Reads an error whose properties may throw, lie or be missing. */
function readError(
  error: unknown,
): { name: string; message: string; stack: string | null } {
  try {
    if (error instanceof Error) {
      return {
        name: storable(String(error.name || "Error")),
        message: storable(String(error.message)),
        stack: typeof error.stack === "string" ? storable(error.stack) : null,
      };
    }
    const message = typeof error === "string" ? error : JSON.stringify(error);
    return {
      name: "Error",
      message: storable(message ?? String(error)),
      stack: null,
    };
  } catch {
    return { name: "Error", message: "(it can not be read)", stack: null };
  }
}

/** First frame that is neither the runtime's, a dependency's nor ours. */
function hostFrame(stack: string, ownRoot: string | undefined): string | null {
  for (const line of stack.split("\n")) {
    const frame = /^\s*at (.+)$/.exec(line)?.[1] ?? jscFrame(line);
    if (frame === null || frame === undefined) continue;
    if (
      /node_modules|\b(?:node|ext|deno|bun):|<anonymous>|\[native code\]|\(native/
        .test(frame)
    ) {
      continue;
    }
    if (ownRoot !== undefined && frame.includes(ownRoot)) continue;
    return frame.trim();
  }
  return null;
}

/** A frame as JavaScriptCore writes it: `perform@file:///app/sync.ts:3:9`. */
function jscFrame(line: string): string | null {
  return /^(?:async )?[\w.$<> ]*@\S+:\d+$/.test(line.trim())
    ? line.trim()
    : null;
}

/** Text that Postgres can store: no NUL, and no half of a surrogate pair. */
export function storable(text: string): string {
  return text.replaceAll("\0", "").replace(
    /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    "\ufffd",
  );
}

function cut(text: string, max: number): string {
  return text.length <= max ? text : storable(text.slice(0, max - 1)) + "…";
}

/** FNV-1a with two seeds: 64 bits, to tell errors apart and not to keep secrets. */
function hash(text: string): string {
  let first = 0x811c9dc5;
  let second = 0x9747b28c;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    first = Math.imul(first ^ unit, 0x01000193);
    second = Math.imul(second ^ unit, 0x85ebca6b);
  }
  const hex = (value: number) => (value >>> 0).toString(16).padStart(8, "0");
  return hex(first) + hex(second);
}
