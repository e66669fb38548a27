/** What a command found, for people and for programs. */
export interface Report {
  /** 0: as it must be. 1: something was found. */
  readonly exit: 0 | 1;
  readonly lines: readonly string[];
  /** Printed by `--json`, as one line. */
  readonly json: Readonly<Record<string, unknown>>;
}

/**
 * Takes out what must not be printed: the password of every address that was
 * given, wherever it stands, and of every other address in the text.
 */
export function withoutSecrets(
  text: string,
  given: {
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string | undefined>>;
  },
): string {
  // A flag and its value may be one argument.
  const values = given.args.map((arg) => arg.replace(/^--[a-z-]+=/, ""));
  const addresses = [given.env.DATABASE_URL ?? "", ...values];
  const secrets = [
    given.env.PGPASSWORD ?? "",
    ...addresses.flatMap(passwordsOf),
  ];
  let safe = text;
  for (const secret of secrets) {
    if (secret !== "") safe = safe.replaceAll(secret, "***");
  }
  return safe.replaceAll(/(:\/\/[^:@/\s]*):[^@\s]*@/g, "$1:***@");
}

function passwordsOf(address: string): string[] {
  if (!URL.canParse(address)) return [];
  const url = new URL(address);
  const passwords = [url.password, url.searchParams.get("password") ?? ""];
  return passwords.flatMap((password) => [password, decoded(password)]);
}

function decoded(password: string): string {
  try {
    return decodeURIComponent(password);
  } catch {
    return password;
  }
}
