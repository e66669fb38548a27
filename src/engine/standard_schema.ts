/**
 * What zod, valibot, arktype and others have in common, written down here so
 * that a host is free to choose. Source: standardschema.dev, version 1.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** The one property by which libraries of schemas know each other. */
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (
      value: unknown,
    ) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?:
      | { readonly input: Input; readonly output: Output }
      | undefined;
  };
}

/** What a schema answers. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong, and where. */
export interface SchemaIssue {
  /** In the words of the schema. */
  readonly message: string;
  /** From the value inwards; left out: the value itself. */
  readonly path?:
    | readonly (PropertyKey | { readonly key: PropertyKey })[]
    | undefined;
}

/** Something wrong with what a host gave us. */
export interface Issue {
  /** Such as `args.customer.id`, or the name of an option. */
  readonly path: string;
  /** What is wrong, and mostly what must be; no value stands in it. */
  readonly message: string;
}

const ISSUES_MAX = 20;

/** Issues of a schema in our words; the first of them, if there are many. */
export function toIssues(
  issues: readonly SchemaIssue[],
  root: string,
): Issue[] {
  return issues.slice(0, ISSUES_MAX).map(({ message, path }) => ({
    path: [root, ...(path ?? []).map(keyOf)].join("."),
    message: String(message),
  }));
}

function keyOf(step: PropertyKey | { readonly key: PropertyKey }): string {
  return String(typeof step === "object" ? step.key : step);
}
