/**
 * Values in Postgres' text format, the same for every driver.
 *
 * Drivers disagree on dates in arrays, on JSON strings, on `int8` and on empty
 * arrays, and a host may have configured its own parsers. So a driver is only
 * ever handed text, and what it returns is read here.
 */

/** How a column comes out, by the type's number in `pg_type`. */
type Reader = (text: string) => unknown;

const READERS: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [16, (text) => text === "t"],
  [17, readBytes],
  [21, Number],
  [23, Number],
  [26, Number],
  [700, Number],
  [701, Number],
  [114, JSON.parse],
  [3802, JSON.parse],
  [1184, readInstant],
]);

/** The arrays we read, and the type of their elements. */
const ELEMENTS: ReadonlyMap<number, number> = new Map([
  [1000, 16],
  [1001, 17],
  [1005, 21],
  [1007, 23],
  [1016, 20],
  [1028, 26],
  [1021, 700],
  [1022, 701],
  [199, 114],
  [3807, 3802],
  [1185, 1184],
  [1003, 19],
  [1009, 25],
  [1014, 1042],
  [1015, 1043],
  [1231, 1700],
  [2951, 2950],
]);

/** Every type that does not come out as its text. */
export const READ_TYPES: readonly number[] = [
  ...READERS.keys(),
  ...ELEMENTS.keys(),
  // As text, whatever the driver makes of it: int8, date, timestamp, numeric.
  20,
  1082,
  1114,
  1700,
];

/** The first number of a type that was created, such as an enum of ours. */
export const FIRST_CREATED_TYPE = 16_384;

/** What reads a column of the type `oid`. */
export function readerOf(oid: number): (text: string) => unknown {
  if (oid >= FIRST_CREATED_TYPE) return readCreated;
  const element = ELEMENTS.get(oid);
  if (element === undefined) return READERS.get(oid) ?? asText;
  const read = READERS.get(element) ?? asText;
  return (text) => readArray(text, read);
}

/**
 * A value of a type that was created, whose number only this database knows: an
 * array of text if it stands in braces, as an array of an enum does.
 */
function readCreated(text: string): unknown {
  return text.startsWith("{") && text.endsWith("}")
    ? readArray(text, asText)
    : text;
}

/**
 * A bound value as Postgres reads it; `null` is SQL's null.
 *
 * @throws {TypeError} If it is `undefined`, an invalid date or an object: a bug
 * in the caller, and every driver would do something else with it.
 */
export function writeValue(value: unknown, position: number): string | null {
  if (value === null) return null;
  if (!Array.isArray(value)) return writeScalar(value, position);

  const elements = value.map((element: unknown) => {
    const text = element === null ? null : writeScalar(element, position);
    if (text === null) return "null";
    return /["\\]/.test(text)
      ? `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`
      : `"${text}"`;
  });
  return `{${elements.join(",")}}`;
}

function writeScalar(value: unknown, position: number): string {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
    case "bigint":
      return String(value);
    case "boolean":
      return value ? "t" : "f";
  }
  if (value instanceof Date && !Number.isNaN(value.getTime())) {
    return writeInstant(value);
  }
  if (value instanceof Uint8Array) return writeBytes(value);
  throw new TypeError(
    `Cannot bind $${position}: it is ${named(value)} and must be text, a ` +
      `number, a boolean, a valid date, bytes, null or an array of these; ` +
      `wrap what is JSON in json()`,
  );
}

function named(value: unknown): string {
  if (value instanceof Date) return "an invalid date";
  if (Array.isArray(value)) return "an array in an array";
  return value === undefined ? "undefined" : `a value of type ${typeof value}`;
}

/** Years beyond four digits have a sign in ISO, which Postgres does not read. */
function writeInstant(instant: Date): string {
  const text = instant.toISOString();
  if (/^\d/.test(text)) return text;
  const year = instant.getUTCFullYear();
  const rest = text.slice(7);
  return year > 0
    ? `${year}${rest}`
    : `${String(1 - year).padStart(4, "0")}${rest} BC`;
}

function writeBytes(bytes: Uint8Array): string {
  let text = "\\x";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

function asText(text: string): string {
  return text;
}

/**
 * `2026-01-15 12:00:00.123456+05:30` as a date. Microseconds are cut off.
 *
 * @throws {TypeError} If the session prints instants in another style than ISO,
 * or the instant is infinite or before our era.
 */
function readInstant(text: string): Date {
  // What nearly every session prints, read without taking it apart.
  if (text.endsWith("+00") && text.length <= 29 && text[4] === "-") {
    const end = Math.min(text.length - 3, 23);
    return new Date(`${text.slice(0, 10)}T${text.slice(11, end)}Z`);
  }
  const parts = INSTANT.exec(text);
  if (parts === null) {
    throw new TypeError(
      `Cannot read the instant "${text}": it must be finite and in the style ` +
        `ISO; run "set datestyle to iso" or clear the setting of the role`,
    );
  }
  const [, year = "", rest, sign, hours, minutes = "0", seconds = "0"] = parts;
  const iso = year.length > 4 ? `+${year.padStart(6, "0")}` : year;
  // The offset of local time long ago has seconds, which ISO does not.
  const offset = Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds);
  const utc = Date.parse(`${iso}${rest?.replace(" ", "T")}Z`);
  return new Date(utc - (sign === "-" ? -offset : offset) * 1_000);
}

const INSTANT =
  /^(\d{4,6})(-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,3})?)\d*([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?$/;

/** @throws {TypeError} If the session prints bytes in another style than hex. */
function readBytes(text: string): Uint8Array {
  if (!text.startsWith("\\x")) {
    throw new TypeError(
      `Cannot read bytes: they must be in the style hex; run ` +
        `"set bytea_output to hex" or clear the setting of the role`,
    );
  }
  const bytes = new Uint8Array((text.length - 2) / 2);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(
      text.slice(index * 2 + 2, index * 2 + 4),
      16,
    );
  }
  return bytes;
}

/** Reads `{1,null,"a \" b",{2}}`; bounds such as `[0:1]={…}` are dropped. */
function readArray(text: string, read: Reader): unknown[] {
  const outer: unknown[][] = [[]];
  let index = text.indexOf("{");
  while (index < text.length) {
    const character = text[index];
    if (character === "{") {
      outer.push([]);
      index += 1;
    } else if (character === "}") {
      const inner = outer.pop() ?? [];
      outer.at(-1)?.push(inner);
      index += 1;
    } else if (character === ",") {
      index += 1;
    } else {
      const element = character === '"'
        ? quotedElement(text, index)
        : plainElement(text, index);
      outer.at(-1)?.push(element.text === null ? null : read(element.text));
      index = element.end;
    }
  }
  return outer[0]?.[0] as unknown[];
}

interface Element {
  readonly text: string | null;
  readonly end: number;
}

function plainElement(text: string, start: number): Element {
  let end = start;
  while (text[end] !== "," && text[end] !== "}") end += 1;
  const element = text.slice(start, end);
  return { text: element === "NULL" ? null : element, end };
}

function quotedElement(text: string, start: number): Element {
  let end = start + 1;
  let escaped = false;
  while (text[end] !== '"') {
    if (text[end] === "\\") {
      escaped = true;
      end += 1;
    }
    end += 1;
  }
  const element = text.slice(start + 1, end);
  return {
    text: escaped ? element.replaceAll(/\\(.)/gs, "$1") : element,
    end: end + 1,
  };
}
