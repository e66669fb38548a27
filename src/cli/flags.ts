/** A command line that can not be read, with the flag or word that is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code = "usage";
}

/** What a command line says, once it was read. */
export interface Flags {
  /** Such as `migrate up`; empty if only help was asked for. */
  readonly command: string;
  /** What the command is about, such as the id of a job. */
  readonly operand: string | null;
  readonly help: boolean;
  readonly json: boolean;
  readonly databaseUrl: string | null;
  readonly dataDir: string | null;
  readonly schema: string | null;
  readonly anchor: string | null;
  /** Flags that only some commands take, by their names. */
  readonly own: ReadonlyMap<string, string>;
}

/** Commands that one word follows: what they are about. */
const WITH_OPERAND = ["explain"];

/** Flags that stand alone, and flags that a value follows. */
const SWITCHES = ["--help", "--json"] as const;
const VALUED = [
  "--database-url",
  "--data-dir",
  "--schema",
  "--anchor",
] as const;

/** Flags of which each belongs to some commands, with a value each. */
const OWN: Readonly<Record<string, readonly string[]>> = {
  "--limiter": ["limiter explain", "limiter simulate"],
  "--key": ["limiter explain"],
  "--worker": ["limiter explain"],
  "--args": ["limiter explain"],
  "--weight": ["limiter explain", "limiter simulate"],
  "--capacity": ["limiter simulate"],
  "--per-ms": ["limiter simulate"],
  "--algorithm": ["limiter simulate"],
  "--count": ["limiter simulate"],
  "--every-ms": ["limiter simulate"],
  "--replay": ["limiter simulate"],
  "--keys": ["encryption status", "encryption reencrypt"],
};

/**
 * Reads a command line. Strictly: a flag that is not understood is never passed
 * over, because what it was meant to say would be lost.
 *
 * Values are not repeated in a message: one may be a password.
 *
 * @param commands All there are, such as `migrate up`.
 * @throws {UsageError} Which names what is wrong.
 */
export function readFlags(
  args: readonly string[],
  commands: readonly string[],
): Flags {
  const words: string[] = [];
  const given = new Map<string, string>();
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? "";
    if (!arg.startsWith("-")) {
      words.push(arg);
      continue;
    }
    const [flag = "", ...rest] = arg === "-h" ? ["--help"] : arg.split("=");
    const inline = rest.length === 0 ? null : rest.join("=");
    if (given.has(flag)) throw new UsageError(`${flag} is given twice`);
    if (isOneOf(flag, SWITCHES)) {
      if (inline !== null) throw new UsageError(`${flag} takes no value`);
      given.set(flag, "");
    } else if (isOneOf(flag, VALUED) || Object.hasOwn(OWN, flag)) {
      const value = inline ?? args[++index];
      if (value === undefined || value === "" || value.startsWith("--")) {
        throw new UsageError(`${flag} needs a value`);
      }
      given.set(flag, value);
    } else {
      throw new UsageError(`There is no flag ${flag}`);
    }
  }
  return flagsOf(given, readCommand(words, commands, given.has("--help")));
}

function readCommand(
  words: readonly string[],
  commands: readonly string[],
  help: boolean,
): Pick<Flags, "command" | "operand"> {
  const [first = "", second = null, ...rest] = words;
  if (WITH_OPERAND.includes(first) && rest.length === 0) {
    return { command: first, operand: second };
  }
  const command = words.join(" ");
  if (commands.includes(command) || (help && command === "")) {
    return { command, operand: null };
  }
  const same = commands.filter((known) => known.split(" ")[0] === first);
  if (same.length > 0) {
    throw new UsageError(`"${first}" must be one of: ${same.join(", ")}`);
  }
  // Not the words themselves: somebody may have put an address here.
  throw new UsageError(
    words.length === 0
      ? `A command is missing: ${commands.join(", ")}`
      : `There is no such command; there are: ${commands.join(", ")}`,
  );
}

function flagsOf(
  given: ReadonlyMap<string, string>,
  { command, operand }: Pick<Flags, "command" | "operand">,
): Flags {
  if (given.has("--anchor") && command !== "audit verify" && command !== "") {
    throw new UsageError(`--anchor belongs to "audit verify"`);
  }
  const own = [...given].filter(([flag]) => Object.hasOwn(OWN, flag));
  for (const [flag] of own) {
    const commands = OWN[flag] ?? [];
    if (command !== "" && !commands.includes(command)) {
      throw new UsageError(
        `${flag} belongs to "${commands.join('" and "')}"`,
      );
    }
  }
  return {
    own: new Map(own),
    command,
    operand,
    help: given.has("--help"),
    json: given.has("--json"),
    databaseUrl: given.get("--database-url") ?? null,
    dataDir: given.get("--data-dir") ?? null,
    schema: given.get("--schema") ?? null,
    anchor: given.get("--anchor") ?? null,
  };
}

function isOneOf(flag: string, known: readonly string[]): boolean {
  return known.includes(flag);
}
