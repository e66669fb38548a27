/**
 * What a value looks like when the host's display policy has no answer: names
 * as they are, everything that a job carries as structure only.
 */
import type { DisplayKind } from "../seams.ts";

const DEPTH_MAX = 6;
const KEYS_MAX = 60;

/**
 * The text of a kind that is shown as it is; `null` for the kinds of which only
 * the structure is shown.
 */
export function defaultText(kind: DisplayKind, value: unknown): string | null {
  switch (kind) {
    case "name":
      return nameText(value);
    case "actor":
      return actorText(value);
    case "reason":
      return typeof value === "string" && value.trim() !== ""
        ? value.trim()
        : "No reason recorded";
    case "args":
    case "meta":
    case "error":
    case "output":
    case "snapshot":
      return null;
  }
}

function nameText(value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  if (typeof value === "number") return String(value);
  return "Unknown";
}

/** An actor or principal by its label, then by its id. */
function actorText(value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  if (typeof value !== "object" || value === null) return "Unknown";
  const { label, id } = value as { label?: unknown; id?: unknown };
  if (typeof label === "string" && label !== "") return label;
  return nameText(id);
}

/**
 * Keys and types without values, such as `{ "customer": text }`. Bounded in
 * depth and width, so that no payload makes a page heavy.
 *
 * @param indent Spaces of each level; 0 puts it all in one line.
 */
export function structureOf(value: unknown, indent = 0): string {
  return structure(value, { indent, depth: 0 });
}

interface Place {
  readonly indent: number;
  readonly depth: number;
}

function structure(value: unknown, place: Place): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return "text";
  if (typeof value === "number" || typeof value === "bigint") return "number";
  if (typeof value === "boolean") return "boolean";
  if (typeof value !== "object") return "unknown";
  if (place.depth >= DEPTH_MAX) return "…";
  return Array.isArray(value)
    ? arrayStructure(value, place)
    : objectStructure(value, place);
}

/** The distinct structures of the items: how many there are is a value. */
function arrayStructure(items: readonly unknown[], place: Place): string {
  if (items.length === 0) return "[]";
  const inner = { ...place, depth: place.depth + 1 };
  const kinds = new Set(
    items.slice(0, KEYS_MAX).map((item) => structure(item, inner)),
  );
  return wrapped([...kinds].slice(0, 3).concat("…"), {
    ...place,
    open: "[",
    close: "]",
  });
}

function objectStructure(value: object, place: Place): string {
  const keys = Object.keys(value);
  if (keys.length === 0) return "{}";
  const inner = { ...place, depth: place.depth + 1 };
  const lines = keys.slice(0, KEYS_MAX).map((key) => {
    const item: unknown = Reflect.get(value, key);
    return `${JSON.stringify(key)}: ${structure(item, inner)}`;
  });
  const more = keys.length - KEYS_MAX;
  if (more > 0) lines.push(`… ${more} more keys`);
  return wrapped(lines, { ...place, open: "{", close: "}" });
}

function wrapped(
  lines: readonly string[],
  { indent, depth, open, close }: Place & {
    readonly open: string;
    readonly close: string;
  },
): string {
  if (indent === 0) return `${open} ${lines.join(", ")} ${close}`;
  const margin = " ".repeat(indent * (depth + 1));
  const end = " ".repeat(indent * depth);
  return `${open}\n${margin}${lines.join(`,\n${margin}`)}\n${end}${close}`;
}
