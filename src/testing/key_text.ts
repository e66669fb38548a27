/**
 * A value of args as Postgres writes it when it is the key of a limiter: text as
 * it is, a number without an exponent, and what has parts with its keys in the
 * order of `jsonb`. What is not there is the empty key.
 */
export function keyText(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : written(value);
}

function written(value: unknown): string {
  if (typeof value === "number") return plainNumber(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(written).join(", ")}]`;
  const names = Object.keys(value).sort(byLength);
  const parts = names.map((name) => {
    const part = (value as Readonly<Record<string, unknown>>)[name];
    return `${JSON.stringify(name)}: ${written(part)}`;
  });
  return `{${parts.join(", ")}}`;
}

/** Shorter names first, and then as their bytes say. */
function byLength(left: string, right: string): number {
  const [one, other] = [left, right].map((each) =>
    new TextEncoder().encode(each)
  );
  if (one === undefined || other === undefined) return 0;
  if (one.length !== other.length) return one.length - other.length;
  const at = one.findIndex((byte, index) => byte !== other[index]);
  return at === -1 ? 0 : (one[at] ?? 0) - (other[at] ?? 0);
}

/** `1e21` is `1000000000000000000000` there. */
function plainNumber(value: number): string {
  const text = String(value);
  const [, sign = "", whole = "", part = "", power = ""] =
    /^(-?)(\d+)(?:\.(\d+))?e([+-]\d+)$/.exec(text) ?? [];
  if (power === "") return text;
  const digits = whole + part;
  const point = whole.length + Number(power);
  if (point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  return point >= digits.length
    ? sign + digits.padEnd(point, "0")
    : `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}
