/**
 * A process of one contender. It is told what to do line by line, and answers
 * line by line: `<program> serve.ts MODULE OPTIONS`. Runs on Deno, Node and Bun.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { type Contender, epochMs } from "./contender.ts";
import * as commands from "./commands.ts";

/** What a line asks for. */
interface Request {
  readonly id: number;
  readonly command: string;
  readonly params: never;
}

const [, , moduleName, options] = process.argv;
const { contender } = await import(`./contenders/${moduleName}.ts`);
const system: Contender = await contender(JSON.parse(options ?? "{}"));
const known: Readonly<
  Record<string, (system: Contender, params: never) => Promise<unknown>>
> = commands;

function say(answer: unknown): void {
  process.stdout.write(`@bench ${JSON.stringify(answer)}\n`);
}

async function answer({ id, command, params }: Request): Promise<void> {
  try {
    const work = known[command];
    if (work === undefined) throw new Error(`there is no command ${command}`);
    const beganMs = epochMs();
    const value = await work(system, params) ?? null;
    say({ id, value, beganMs, endedMs: epochMs() });
  } catch (error) {
    say({ id, error: error instanceof Error ? error.stack : String(error) });
  }
}

say({ ready: true, pid: process.pid, versions: process.versions });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "end") break;
  // Several may be under way: one runs jobs while another hands them in.
  void answer(JSON.parse(line));
}
await system.end();
process.exit(0);
