/** A host in a process of its own. */
export interface Host {
  /** Such as `http://localhost:41237`. */
  readonly origin: string;
  /** Asks it to stop, as Ctrl-C does, and answers its exit code. */
  stop(): Promise<number>;
}

const START_MS = 90_000;
const STOP_MS = 30_000;

/**
 * Starts a host and waits until it prints its address.
 *
 * @throws If it does not within a limit, with what it printed.
 */
export async function startHost(
  [command = "", ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Host> {
  const child = new Deno.Command(command, {
    args: [...args],
    env: { ...env, PORT: "0", NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = new Output(child);
  const address = /http:\/\/(?:localhost|127\.0\.0\.1):\d+/;
  const started = await within(output.find(address), START_MS);
  if (started === null) {
    child.kill("SIGKILL");
    await output.end();
    throw new Error(`The host did not start; it printed:\n${output.text}`);
  }
  return { origin: started, stop: () => stop(child, output) };
}

async function stop(
  child: Deno.ChildProcess,
  output: Output,
): Promise<number> {
  child.kill("SIGINT");
  const ended = await within(child.status, STOP_MS);
  if (ended === null) child.kill("SIGKILL");
  // A grandchild may keep the pipes open: what it prints is not waited for.
  await within(output.end(), STOP_MS);
  if (ended === null) {
    await child.status;
    throw new Error(`The host did not stop; it printed:\n${output.text}`);
  }
  return ended.code;
}

/** Reads what a process prints, so that its pipes never fill up. */
class Output {
  text = "";
  readonly #ended: Promise<unknown>;
  #look: () => void = () => {};

  constructor(child: Deno.ChildProcess) {
    this.#ended = Promise.all([
      this.#read(child.stdout),
      this.#read(child.stderr),
    ]);
  }

  /** The first match, or null if the process ends without one. */
  async find(pattern: RegExp): Promise<string | null> {
    const found = new Promise<string>((resolve) => {
      this.#look = () => {
        const [match] = this.text.match(pattern) ?? [];
        if (match !== undefined) resolve(match);
      };
      this.#look();
    });
    return await Promise.race([found, this.#ended.then(() => null)]);
  }

  async end(): Promise<void> {
    await this.#ended;
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      this.text += decoder.decode(bytes, { stream: true });
      this.#look();
    }
  }
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
