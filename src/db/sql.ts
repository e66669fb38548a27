/**
 * Values a statement can bind. Wrap what Postgres must read as JSON in
 * {@linkcode json}; `bigint` travels as text.
 */
export type Bindable =
  | string
  | number
  | boolean
  | null
  | Date
  | Uint8Array
  | readonly (string | null)[]
  | readonly (number | null)[]
  | readonly (boolean | null)[]
  | readonly (Date | null)[];

/** What a driver is handed: text with `$1 …` and the values in that order. */
export interface RenderedSql {
  readonly text: string;
  readonly values: readonly Bindable[];
}

/** The schema that statements and migrations write out. */
export const WRITTEN_SCHEMA = "yardmaster";

/** A statement, or a piece of one. Only the {@linkcode sql} tag makes it. */
export class Sql {
  readonly #pieces: readonly string[];
  readonly #parts: readonly (Bindable | Sql)[];

  /** @internal */
  constructor(pieces: readonly string[], parts: readonly (Bindable | Sql)[]) {
    this.#pieces = pieces;
    this.#parts = parts;
  }

  /**
   * Text and values for a driver. `yardmaster.` becomes the name of the schema,
   * which must have passed {@linkcode parseSchemaName}.
   *
   * @internal
   */
  render(schema: string): RenderedSql {
    const values: Bindable[] = [];
    const text = this.#text(values);
    return { text: inSchema(text, schema), values };
  }

  #text(values: Bindable[]): string {
    let text = this.#pieces[0] ?? "";
    for (const [index, part] of this.#parts.entries()) {
      text += part instanceof Sql
        ? part.#text(values)
        : `$${values.push(part)}`;
      text += this.#pieces[index + 1] ?? "";
    }
    return text;
  }
}

/**
 * Tags SQL. A `${value}` is bound, never pasted; a `${sql`...`}` is spliced.
 *
 * Pieces are read raw: a backslash in a pattern reaches Postgres as written.
 */
export function sql(
  pieces: TemplateStringsArray,
  ...parts: readonly (Bindable | Sql)[]
): Sql {
  return new Sql(pieces.raw, parts);
}

/**
 * Binds a value as JSON.
 *
 * It goes as text and is cast by Postgres: a string bound to `jsonb` directly
 * is encoded twice by one driver and not by the other.
 */
export function json(value: unknown): Sql {
  return sql`${JSON.stringify(value ?? null)}::text::jsonb`;
}

/** Puts the name of the schema in place of the one that statements write. */
export function inSchema(text: string, schema: string): string {
  if (schema === WRITTEN_SCHEMA) return text;
  return text.replaceAll(`${WRITTEN_SCHEMA}.`, `"${schema}".`);
}

/**
 * Checks the name of a schema before it is written into a statement.
 *
 * @throws {TypeError} If it is not a plain lower-case identifier of at most 48
 * characters, or is one of Postgres' own: it could change what a statement does.
 */
export function parseSchemaName(name: string): string {
  if (!/^[a-z_][a-z0-9_]{0,47}$/.test(name) || name.startsWith("pg_")) {
    throw new TypeError(
      `Cannot use schema ${JSON.stringify(name)}: it must be lower-case ` +
        `letters, digits and "_", at most 48, and must not start with "pg_"`,
    );
  }
  return name;
}
